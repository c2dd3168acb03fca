import { resampleFilter } from '../../resample-filter.js';

/**
 * One channel at another rate, piece by piece: sample by sample what scipy.signal.resample_poly makes of the whole. It lags by ten samples of
 * the lower rate, as it looks so far ahead.
 */
export class StreamResampler {
  readonly #up: number;
  readonly #down: number;
  readonly #taps: Float64Array;
  /** Samples that later ones still look back to, the first of them at this place of the stream. */
  #kept = new Float32Array();
  #keptFrom = 0;
  #next = 0;

  /** Throws for rates that share too little. */
  constructor(from: number, to: number) {
    ({ up: this.#up, down: this.#down, taps: this.#taps } = resampleFilter(from, to));
  }

  push(samples: Float32Array): Float32Array<ArrayBuffer> {
    this.#append(samples);
    const half = (this.#taps.length - 1) / 2;
    const end = this.#keptFrom + this.#kept.length;
    const made: number[] = [];
    // The last sample that the filter reaches must be there.
    while (Math.floor((this.#next * this.#down + half) / this.#up) < end) {
      made.push(this.#made(this.#next * this.#down + half));
      this.#next += 1;
    }
    this.#forget(Math.ceil((this.#next * this.#down - half) / this.#up));
    return Float32Array.from(made);
  }

  /** What the last samples are still owed: behind them lies silence. */
  end(): Float32Array<ArrayBuffer> {
    const total = Math.ceil(((this.#keptFrom + this.#kept.length) * this.#up) / this.#down);
    const half = (this.#taps.length - 1) / 2;
    const owed = Math.max(0, total - this.#next);
    return this.push(new Float32Array(Math.ceil((owed * this.#down + 2 * half) / this.#up) + 1)).slice(0, owed);
  }

  #made(centre: number): number {
    const first = Math.max(0, Math.ceil((centre - this.#taps.length + 1) / this.#up));
    const last = Math.floor(centre / this.#up);
    let sum = 0;
    for (let i = first, tap = centre - first * this.#up; i <= last; i += 1, tap -= this.#up)
      sum += this.#kept[i - this.#keptFrom]! * this.#taps[tap]!;
    return sum;
  }

  #append(samples: Float32Array): void {
    const all = new Float32Array(this.#kept.length + samples.length);
    all.set(this.#kept);
    all.set(samples, this.#kept.length);
    this.#kept = all;
  }

  #forget(before: number): void {
    const count = Math.min(this.#kept.length, Math.max(0, before - this.#keptFrom));
    this.#kept = this.#kept.slice(count);
    this.#keptFrom += count;
  }
}
