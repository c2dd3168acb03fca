import type { Captured } from '../source.js';
import { bytesOf } from './content.js';

type ChunkShape = { rate: number; channels: number; frames: number };

/** Samples that come a few at a time, as chunks of a set length. */
export class SignalChunks {
  #samples: Float32Array;
  #filled = 0;
  #gap = false;

  constructor(
    readonly shape: ChunkShape,
    private readonly name?: string,
  ) {
    this.#samples = new Float32Array(shape.frames * shape.channels);
  }

  /** Interleaved by channel, whole frames. */
  *push(samples: ArrayLike<number>): Generator<Captured> {
    for (let from = 0; from < samples.length;) {
      const count = Math.min(samples.length - from, this.#samples.length - this.#filled);
      for (let i = 0; i < count; i += 1) this.#samples[this.#filled + i] = samples[from + i]!;
      this.#filled += count;
      from += count;
      if (this.#filled === this.#samples.length) yield this.#chunk();
    }
  }

  /** What there is of the last one. */
  *end(): Generator<Captured> {
    if (this.#filled > 0) yield this.#chunk();
  }

  /** Something was lost here: the begun chunk goes with it, and the next one says so. */
  gap(): void {
    this.#filled = 0;
    this.#gap = true;
  }

  #chunk(): Captured {
    const { rate, channels } = this.shape;
    const gap = this.#gap || undefined;
    // Of its first sample: the last one has just come.
    const capturedAt = Date.now() - Math.round((1000 * this.#filled) / channels / rate);
    const bytes = bytesOf(this.#samples.subarray(0, this.#filled));
    this.#samples = new Float32Array(this.#samples.length);
    this.#filled = 0;
    this.#gap = false;
    return { payload: { kind: 'signal', rate, channels }, bytes, capturedAt, name: this.name, gap };
  }
}
