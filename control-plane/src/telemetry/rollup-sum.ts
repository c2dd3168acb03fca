import type { Sketch } from '@flotilla/protocol';
import { evidenceKeys, type EvidenceSums } from './evidence-sums.js';

/** What one window says, or several together: to put two together is to add, or to take the greater one. */
export type Figures = Readonly<{
  windows: number;
  ok: number;
  errors: number;
  sheds: number;
  restarts: number;
  computeCpuUs: number;
  queueDepthMax: number;
  rssBytesMax: number | null;
  temperatureMaxC: number | null;
  evidence: EvidenceSums;
  queue: Sketch;
  compute: Sketch;
  total: Sketch;
}>;

/** Order and grouping make no difference to what comes out. */
export class RollupSum implements Figures {
  windows = 0;
  ok = 0;
  errors = 0;
  sheds = 0;
  restarts = 0;
  computeCpuUs = 0;
  queueDepthMax = 0;
  rssBytesMax: number | null = null;
  temperatureMaxC: number | null = null;
  readonly evidence = {
    confirmed: 0,
    rejected: 0,
    corrected: 0,
    throttledMs: 0,
    throttledOfMs: 0,
    energyMj: 0,
    energyOk: 0,
  } satisfies EvidenceSums;
  readonly queue = new Bins();
  readonly compute = new Bins();
  readonly total = new Bins();

  add(its: Figures): void {
    this.windows += its.windows;
    this.ok += its.ok;
    this.errors += its.errors;
    this.sheds += its.sheds;
    this.restarts += its.restarts;
    this.computeCpuUs += its.computeCpuUs;
    this.queueDepthMax = Math.max(this.queueDepthMax, its.queueDepthMax);
    if (its.rssBytesMax !== null) this.rssBytesMax = Math.max(this.rssBytesMax ?? 0, its.rssBytesMax);
    if (its.temperatureMaxC !== null) this.temperatureMaxC = Math.max(this.temperatureMaxC ?? -Infinity, its.temperatureMaxC);
    for (const key of evidenceKeys) this.evidence[key] += its.evidence[key];
    this.queue.add(its.queue);
    this.compute.add(its.compute);
    this.total.add(its.total);
  }
}

/** From the first bin that anybody named to the last. */
export class Bins implements Sketch {
  first = 0;
  counts: number[] = [];

  add({ first, counts }: Sketch): void {
    if (counts.length === 0) return;
    if (this.counts.length === 0) {
      this.first = first;
      this.counts = counts.slice();
      return;
    }
    if (first < this.first) {
      this.counts = [...zeros(this.first - first), ...this.counts];
      this.first = first;
    }
    const end = first + counts.length - this.first;
    if (end > this.counts.length) this.counts.push(...zeros(end - this.counts.length));
    const offset = first - this.first;
    for (let i = 0; i < counts.length; i++) this.counts[offset + i]! += counts[i]!;
  }
}

const zeros = (length: number): number[] => Array.from({ length }, () => 0);
