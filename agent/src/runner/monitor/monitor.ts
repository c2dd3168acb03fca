import type { DeploymentId, Digest, SlotName } from '@flotilla/protocol/device';
import type { FromRunner } from '../../runner-protocol.js';
import { InferenceCounters } from './counters.js';
import type { Family } from '../../http/exposition.js';
import { ServingStatistics, type StatisticsSnapshot } from './serving-statistics.js';
import type { BaselineWatch, Looked } from './baseline-watch.js';
import type { Tensor } from '../tensor.js';
import { type Timing, type TopClass, WindowAccumulator } from './window.js';

export type Served = { slot: SlotName; deployment: DeploymentId; digest: Digest; variant: string };
export type Totals = { ok: number; errors: number; consecutiveErrors: number };
type CutWindow = Omit<Extract<FromRunner, { type: 'window' }>, 'type'>;

/** Counts since activation for the heartbeat and for scrapers, and since the last cut for the window. `now` is in milliseconds and never goes back. */
export class Monitor {
  readonly #window: WindowAccumulator;
  #counters = new InferenceCounters();
  #statistics = new ServingStatistics();
  #totals: Totals = { ok: 0, errors: 0, consecutiveErrors: 0 };
  #cutAt: number;

  constructor(
    private readonly served: Served,
    private readonly now: () => number = () => performance.now(),
    private readonly watch?: BaselineWatch,
  ) {
    this.#window = new WindowAccumulator(watch);
    this.#cutAt = now();
  }

  get totals(): Totals {
    return this.#totals;
  }

  /** Windows count what is slower than these, from the next one on. */
  countSlower(limits: Readonly<Record<string, number>>): void {
    this.#window.limits = limits;
  }

  /** Since activation, as Prometheus wants them. */
  families(): Family[] {
    return this.#counters.families({ slot: this.served.slot });
  }

  /** Since activation, as the Open Inference Protocol's statistics want them. */
  statistics(): StatisticsSnapshot {
    return this.#statistics.snapshot();
  }

  /** What happened before activation, in warm-up say, belongs to no window. */
  begin(): void {
    this.#totals = { ok: 0, errors: 0, consecutiveErrors: 0 };
    this.#counters = new InferenceCounters();
    this.#statistics = new ServingStatistics();
    this.cut(0);
  }

  /** At what an inference is asked with, for `succeeded`. */
  look(inputs: readonly Tensor[]): Looked | undefined {
    return this.watch?.look(inputs);
  }

  /** `elements`: along the batch dimension, where the model has one. */
  succeeded(timing: Timing, top?: TopClass, elements = 1, looked?: Looked): void {
    this.#totals = { ...this.#totals, ok: this.#totals.ok + 1, consecutiveErrors: 0 };
    this.#counters.succeeded(timing);
    this.#statistics.succeeded(timing, elements);
    this.#window.succeeded(timing, top, looked);
  }

  /** The engine ran once, over `size` elements of one or more requests. */
  executed(size: number, computeUs: number): void {
    this.#statistics.executed(size, computeUs);
  }

  failed(totalUs = 0): void {
    this.#countError();
    this.#statistics.failed(totalUs);
  }

  /** The client got its answer, NaN and infinity and all: a success to it, and an error of the release where it is `held` against that. */
  unsound(timing: Timing, elements: number, held: boolean): void {
    if (held) this.#countError();
    this.#statistics.succeeded(timing, elements);
  }

  shed(): void {
    this.#counters.shed();
    this.#window.shed();
  }

  #countError(): void {
    const { ok, errors, consecutiveErrors } = this.#totals;
    this.#totals = { ok, errors: errors + 1, consecutiveErrors: consecutiveErrors + 1 };
    this.#counters.failed();
    this.#window.failed();
  }

  cut(queueDepthMax: number): CutWindow {
    const now = this.now();
    const durationS = (now - this.#cutAt) / 1000;
    this.#cutAt = now;
    return { durationS, window: { type: 'window', ...this.served, ...this.#window.cut(queueDepthMax) } };
  }
}
