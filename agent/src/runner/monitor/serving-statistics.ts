import type { Timing } from './window.js';

/** How often, and how long in all, in whole microseconds. */
export type Spent = { count: number; us: number };
export type StatisticsSnapshot = {
  /** Milliseconds since 1970 of the last good inference; 0 before it. */
  lastInferenceMs: number;
  /** Elements of good requests, along the batch dimension where there is one. */
  inferences: number;
  /** Times that the engine ran: fewer than requests where several were put into one batch. */
  executions: number;
  success: Spent;
  failure: Spent;
  queue: Spent;
  compute: Spent;
  /** Executions by the elements that they had. */
  batches: readonly (Spent & { size: number })[];
};

/** What the protocol's statistics extension wants to know since activation. */
export class ServingStatistics {
  #inferences = 0;
  #executions = 0;
  #lastInferenceMs = 0;
  readonly #spent = { success: nothing(), failure: nothing(), queue: nothing(), compute: nothing() };
  readonly #batches = new Map<number, Spent>();

  constructor(private readonly wallClock: () => number = Date.now) {}

  succeeded({ queueUs, computeUs, totalUs }: Timing, elements: number): void {
    this.#inferences += elements;
    this.#lastInferenceMs = this.wallClock();
    add(this.#spent.success, totalUs);
    add(this.#spent.queue, queueUs);
    add(this.#spent.compute, computeUs);
  }

  failed(totalUs: number): void {
    add(this.#spent.failure, totalUs);
  }

  executed(size: number, computeUs: number): void {
    this.#executions += 1;
    const batch = this.#batches.get(size) ?? nothing();
    this.#batches.set(size, batch);
    add(batch, computeUs);
  }

  snapshot(): StatisticsSnapshot {
    const { success, failure, queue, compute } = this.#spent;
    const batches = [...this.#batches].toSorted(([a], [b]) => a - b).map(([size, spent]) => ({ size, ...spent }));
    return {
      lastInferenceMs: this.#lastInferenceMs,
      inferences: this.#inferences,
      executions: this.#executions,
      success: { ...success },
      failure: { ...failure },
      queue: { ...queue },
      compute: { ...compute },
      batches,
    };
  }
}

const nothing = (): Spent => ({ count: 0, us: 0 });

function add(spent: Spent, us: number): void {
  spent.count += 1;
  spent.us += us;
}
