import type { EngineRun } from './engine/engine.js';
import { type Tensor, bytesOf } from './tensor.js';

export type QueueLimits = { length: number; bytes: number };
export type QueuedRun = EngineRun & { queueUs: number };
/** 1 goes before 2, and 2 before 3. */
export const priorities = [1, 2, 3] as const;
export type Priority = (typeof priorities)[number];
export type Submission = {
  priority?: Priority | undefined;
  /** An answer later than so many milliseconds from now is of no use. */
  timeoutMs?: number | undefined;
};

/** Answered with 429: the caller may come again, best after `retryAfterMs`. */
export class Overloaded extends Error {
  override readonly name = 'Overloaded';
  constructor(
    message: string,
    readonly retryAfterMs: number,
  ) {
    super(message);
  }
}

type Waiting = {
  inputs: readonly Tensor[];
  bytes: number;
  priority: Priority;
  since: number;
  deadline: number;
  resolve: (run: QueuedRun) => void;
  reject: (reason: unknown) => void;
};

/** Of the newest inference in the running mean: fast enough to follow a model that slows down, slow enough to forget one that stalled. */
const weight = 0.2;

/**
 * One at a time; by priority, then in order of arrival. Bounded in number and bytes: beyond that the least urgent is told at once rather
 * than late. What could not be answered within its timeout is refused when it comes, or when its turn comes, before it costs an inference.
 */
export class InferenceQueue {
  readonly #waiting: Waiting[] = [];
  #bytes = 0;
  #working = Promise.resolve();
  #busy = false;
  /** When the one that runs began. */
  #begun: number | undefined;
  #depthMax = 0;
  /** Milliseconds of one inference; 0 until the first is done. */
  #meanMs = 0;

  constructor(
    private readonly run: (inputs: readonly Tensor[]) => Promise<EngineRun>,
    private readonly limits: QueueLimits,
    private readonly now: () => number = () => performance.now(),
  ) {}

  submit(inputs: readonly Tensor[], { priority = 2, timeoutMs = Infinity }: Submission = {}): Promise<QueuedRun> {
    const since = this.now();
    const { promise, resolve, reject } = Promise.withResolvers<QueuedRun>();
    // One that finds nothing before it is always tried: after a stall the mean would refuse all that could correct it.
    const deadline = this.#busy ? since + timeoutMs : Infinity;
    const next: Waiting = { inputs, bytes: bytesOf(inputs), priority, since, deadline, resolve, reject };
    const refusal = this.#tooLate(next) ?? this.#makeRoom(next);
    if (refusal) return Promise.reject(refusal);
    this.#add(next);
    if (!this.#busy) {
      this.#busy = true;
      this.#working = this.#work();
    }
    return promise;
  }

  /** Inferences that wait now. */
  get depth(): number {
    return this.#waiting.length;
  }

  /** The most that waited since the last call. */
  takeDepthMax(): number {
    const depth = this.#depthMax;
    this.#depthMax = this.#waiting.length;
    return depth;
  }

  /** Resolves when nothing waits and nothing runs. */
  async idle(): Promise<void> {
    while (this.#busy) await this.#working;
  }

  #add(next: Waiting): void {
    const after = this.#waiting.findIndex(({ priority }) => priority > next.priority);
    this.#waiting.splice(after < 0 ? this.#waiting.length : after, 0, next);
    this.#bytes += next.bytes;
    this.#depthMax = Math.max(this.#depthMax, this.#waiting.length);
  }

  #tooLate({ priority, since, deadline }: Waiting): Overloaded | undefined {
    const ahead = this.#waiting.filter((waiting) => waiting.priority <= priority).length;
    const running = this.#begun === undefined ? 0 : Math.max(0, this.#meanMs - (since - this.#begun));
    const waitMs = running + ahead * this.#meanMs;
    if (since + waitMs + this.#meanMs <= deadline) return undefined;
    const within = `${Math.round(deadline - since)} ms`;
    return this.#refusal(`an answer would take about ${Math.round(waitMs + this.#meanMs)} ms, and is wanted within ${within}`);
  }

  /** Less urgent ones give way, the newest first. */
  #makeRoom(next: Waiting): Overloaded | undefined {
    const fits = (kept: readonly Waiting[]) =>
      kept.length < this.limits.length && (kept.length === 0 || sum(kept) + next.bytes <= this.limits.bytes);
    const kept = [...this.#waiting];
    while (!fits(kept) && (kept.at(-1)?.priority ?? 0) > next.priority) kept.pop();
    if (!fits(kept)) return this.#refusal(`the queue is full (${this.#waiting.length} inferences of ${this.#bytes} bytes wait)`);
    for (const displaced of this.#waiting.splice(kept.length)) {
      this.#bytes -= displaced.bytes;
      displaced.reject(this.#refusal('more urgent inferences took its place in the full queue'));
    }
    return undefined;
  }

  #refusal(why: string): Overloaded {
    return new Overloaded(`${why}; try again later`, Math.ceil((this.#waiting.length + 1) * this.#meanMs));
  }

  async #work(): Promise<void> {
    for (let next = this.#waiting.shift(); next; next = this.#waiting.shift()) {
      this.#bytes -= next.bytes;
      const begun = this.now();
      if (begun + this.#meanMs > next.deadline) {
        next.reject(this.#refusal(`it waited ${Math.round(begun - next.since)} ms, and its time was over before its turn`));
        continue;
      }
      this.#begun = begun;
      try {
        const done = await this.run(next.inputs);
        next.resolve({ ...done, queueUs: Math.round((begun - next.since) * 1000) });
      } catch (error) {
        next.reject(error);
      }
      this.#begun = undefined;
      this.#learn(this.now() - begun);
    }
    // In the same step as the last look at what waits: a caller that asks again on its answer would find nobody at work otherwise.
    this.#busy = false;
  }

  #learn(ms: number): void {
    this.#meanMs = this.#meanMs === 0 ? ms : this.#meanMs + weight * (ms - this.#meanMs);
  }
}

const sum = (waiting: readonly Waiting[]) => waiting.reduce((bytes, next) => bytes + next.bytes, 0);
