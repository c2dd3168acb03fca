import type { Candidates } from '../stages.js';

/** Boxes as they are decoded, in any order. */
export class CandidateList {
  readonly #corners: number[] = [];
  readonly #scores: number[] = [];
  readonly #classes: number[] = [];

  add(score: number, label: number, centreX: number, centreY: number, width: number, height: number): void {
    this.#scores.push(score);
    this.#classes.push(label);
    this.#corners.push(centreX - width / 2, centreY - height / 2, centreX + width / 2, centreY + height / 2);
  }

  /** Best first; of equals the one that was decoded first. */
  sorted(labels: readonly string[]): Candidates {
    const count = this.#scores.length;
    const order = Array.from({ length: count }, (_, i) => i).toSorted((a, b) => this.#scores[b]! - this.#scores[a]! || a - b);
    const list = {
      corners: Float32Array.from(this.#corners),
      scores: Float32Array.from(this.#scores),
      classes: Int32Array.from(this.#classes),
      count,
      labels,
    };
    return picked(list, order);
  }
}

export function picked({ corners, quads, scores, classes, labels }: Candidates, kept: readonly number[]): Candidates {
  return {
    corners: rowsOf(corners, 4, kept),
    ...(quads ? { quads: rowsOf(quads, 8, kept) } : {}),
    scores: Float32Array.from(kept, (i) => scores[i]!),
    classes: Int32Array.from(kept, (i) => classes[i]!),
    count: kept.length,
    labels,
  };
}

function rowsOf(values: Float32Array, width: number, kept: readonly number[]): Float32Array {
  const rows = new Float32Array(kept.length * width);
  kept.forEach((from, to) => rows.set(values.subarray(from * width, (from + 1) * width), to * width));
  return rows;
}
