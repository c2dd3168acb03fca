import type { EngineRun } from './engine/engine.js';
import { type Tensor, bytesOf } from './tensor.js';

export type QueueLimits = { length: number; bytes: number };
export type QueuedRun = EngineRun & { queueUs: number };

/** Answered with 429: the caller may come again. */
export class Overloaded extends Error {
  override readonly name = 'Overloaded';
}

type Waiting = {
  inputs: readonly Tensor[];
  bytes: number;
  since: number;
  resolve: (run: QueuedRun) => void;
  reject: (reason: unknown) => void;
};

/** First in, first out, one at a time, bounded in number and bytes: beyond that a caller is told at once rather than late. */
export class InferenceQueue {
  readonly #waiting: Waiting[] = [];
  #bytes = 0;
  #working: Promise<void> | undefined;
  #depthMax = 0;

  constructor(
    private readonly run: (inputs: readonly Tensor[]) => Promise<EngineRun>,
    private readonly limits: QueueLimits,
    private readonly now: () => number = () => performance.now(),
  ) {}

  submit(inputs: readonly Tensor[]): Promise<QueuedRun> {
    const bytes = bytesOf(inputs);
    if (this.#waiting.length >= this.limits.length || (this.#waiting.length > 0 && this.#bytes + bytes > this.limits.bytes)) {
      const held = `${this.#waiting.length} inferences of ${this.#bytes} bytes wait`;
      return Promise.reject(new Overloaded(`the queue is full (${held}); try again later`));
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ inputs, bytes, since: this.now(), resolve, reject });
      this.#bytes += bytes;
      this.#depthMax = Math.max(this.#depthMax, this.#waiting.length);
      this.#working ??= this.#work().finally(() => {
        this.#working = undefined;
      });
    });
  }

  /** The most that waited since the last call. */
  takeDepthMax(): number {
    const depth = this.#depthMax;
    this.#depthMax = this.#waiting.length;
    return depth;
  }

  /** Resolves when nothing waits and nothing runs. */
  async idle(): Promise<void> {
    while (this.#working) await this.#working;
  }

  async #work(): Promise<void> {
    for (let next = this.#waiting.shift(); next; next = this.#waiting.shift()) {
      this.#bytes -= next.bytes;
      const queueUs = Math.round((this.now() - next.since) * 1000);
      try {
        next.resolve({ ...(await this.run(next.inputs)), queueUs });
      } catch (error) {
        next.reject(error);
      }
    }
  }
}
