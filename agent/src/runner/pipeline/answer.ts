import type { Ranked } from '../../prediction.js';

export function softmax(values: ArrayLike<number>): Float32Array {
  const shares = new Float32Array(values.length);
  const highest = values[argmax(values)]!;
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += shares[i] = Math.exp(values[i]! - highest);
  for (let i = 0; i < values.length; i++) shares[i]! /= sum;
  return shares;
}

/** Index of the greatest value; the first of equals. */
export function argmax(values: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i]! > values[best]!) best = i;
  return best;
}

/** The k highest scores, highest first; of equals the lower index first. Keeps k at a time rather than sort a thousand. */
export function topK(scores: ArrayLike<number>, k: number, labels: readonly string[]): Ranked[] {
  const best: number[] = [];
  for (let index = 0; index < scores.length; index++) {
    if (best.length === k && scores[index]! <= scores[best[k - 1]!]!) continue;
    let place = best.length;
    while (place > 0 && scores[best[place - 1]!]! < scores[index]!) place -= 1;
    best.splice(place, 0, index);
    best.length = Math.min(best.length, k);
  }
  return best.map((index) => ({ label: labels[index] ?? String(index), index, score: scores[index]! }));
}

/** 1 for the same direction, whatever the length; 0 where either is all zeros. */
export function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [dot, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    dot += a[i]! * b[i]!;
    aa += a[i]! * a[i]!;
    bb += b[i]! * b[i]!;
  }
  return aa === 0 || bb === 0 ? 0 : dot / Math.sqrt(aa * bb);
}
