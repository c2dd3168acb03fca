import { type InferenceWindow, type Sketch, binOf, sketchLayout } from '@flotilla/protocol/device';
import type { BaselineWatch, Looked } from './baseline-watch.js';
import { SpaceSaving } from './space-saving.js';

/** One inference that went well. */
export type Timing = { cpuUs: number; queueUs: number; computeUs: number; totalUs: number };
export type TopClass = { label: string; score: number };
type WindowCounts = Omit<InferenceWindow, 'type' | 'boot' | 'slot' | 'deployment' | 'digest' | 'variant' | 'start' | 'end'>;

const scoreBins = 10;
const zeros = (length: number) => Array.from({ length }, () => 0);

/** Of a window in which nothing was inferred. */
export const nothingCounted = (): WindowCounts => new WindowAccumulator().cut(0);

/** What has happened since the last cut. Knows no clock: the same calls give the same counts. */
export class WindowAccumulator {
  /** By name, microseconds from request to result. New ones hold from the next window on, so that none is counted by halves. */
  limits: Readonly<Record<string, number>> = {};
  #limits: [name: string, us: number][] = [];
  #slow: number[] = [];
  #counts = { ok: 0, errors: 0, sheds: 0, computeCpuUs: 0 };
  #sketches = { queue: new Histogram(), compute: new Histogram(), total: new Histogram() };
  #classes = new SpaceSaving();
  #scores = zeros(scoreBins);

  constructor(private readonly watch?: BaselineWatch) {}

  succeeded({ cpuUs, queueUs, computeUs, totalUs }: Timing, top?: TopClass, looked?: Looked): void {
    this.#counts.ok += 1;
    this.#counts.computeCpuUs += Math.round(cpuUs);
    this.#sketches.queue.add(queueUs);
    this.#sketches.compute.add(computeUs);
    this.#sketches.total.add(totalUs);
    this.#limits.forEach(([, us], i) => totalUs > us && (this.#slow[i]! += 1));
    this.watch?.count(looked, top?.score);
    if (!top) return;
    this.#classes.add(top.label.slice(0, 128));
    this.#scores[scoreBin(top.score)]! += 1;
  }

  failed(): void {
    this.#counts.errors += 1;
  }

  shed(): void {
    this.#counts.sheds += 1;
  }

  cut(queueDepthMax: number): WindowCounts {
    const { queue, compute, total } = this.#sketches;
    const sketches = { queue: queue.toSketch(), compute: compute.toSketch(), total: total.toSketch() };
    const counts = {
      ...this.#counts,
      ...sketches,
      slow: this.#slower(),
      ...this.#classes.toCounts(),
      scores: this.#scores,
      queueDepthMax,
      ...(this.watch && { baseline: this.watch.cut() }),
    };
    this.#counts = { ok: 0, errors: 0, sheds: 0, computeCpuUs: 0 };
    this.#sketches = { queue: new Histogram(), compute: new Histogram(), total: new Histogram() };
    this.#classes = new SpaceSaving();
    this.#scores = zeros(scoreBins);
    this.#limits = Object.entries(this.limits);
    this.#slow = zeros(this.#limits.length);
    return counts;
  }

  #slower(): Record<string, number> {
    return Object.fromEntries(this.#limits.map(([name], i) => [name, this.#slow[i]!]));
  }
}

const scoreBin = (score: number) => Math.min(scoreBins - 1, Math.max(0, Math.floor(score * scoreBins)));

/** A sketch that grows in place: a long window holds bins, not values. */
class Histogram {
  readonly #bins = zeros(sketchLayout.bins);

  add(us: number): void {
    this.#bins[binOf(us)]! += 1;
  }

  toSketch(): Sketch {
    const first = this.#bins.findIndex((count) => count > 0);
    if (first < 0) return { first: 0, counts: [] };
    return { first, counts: this.#bins.slice(first, this.#bins.findLastIndex((count) => count > 0) + 1) };
  }
}
