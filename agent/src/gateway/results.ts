import type { Payload } from '../frame.js';
import { type Prediction, type Quality, qualityOf } from '../prediction.js';

/** What the slot's latest frame led to. */
export type Result = {
  /** Counts the results of this gateway's life, without gaps. */
  sequence: number;
  prediction: Prediction;
  /** Milliseconds since 1970. */
  capturedAt: number;
  /** From capture to result. */
  latencyMs: number;
};
type GradedResult = Result & { quality: Quality };
/** The picture that the latest result is of. */
export type Seen = { payload: Payload; bytes: Uint8Array };
/** `sequence`: of the result that is of it. */
export type SeenResult = Seen & { sequence: number };

type Clock = () => number;

/** The result state of one slot: it outlives runners, so that whoever reads it sees nothing of a swap. */
export class Results {
  #sequence = 0;
  #latest: { result: Result; at: number } | undefined;
  #seen: SeenResult | undefined;
  readonly #listeners = new Set<(result: Result) => void>();

  /** `staleMs`: after which a result says nothing any more of what lies before the camera. `now`: a clock that never goes back. */
  constructor(
    readonly staleMs: number,
    private readonly now: Clock = () => performance.now(),
  ) {}

  publish(
    prediction: Prediction,
    { capturedAt, latencyMs, seen }: { capturedAt: number; latencyMs: number; seen: Seen },
  ): Result {
    const result = { sequence: ++this.#sequence, prediction, capturedAt, latencyMs };
    this.#latest = { result, at: this.now() };
    this.#seen = { ...seen, sequence: result.sequence };
    for (const listener of this.#listeners) listener(result);
    return result;
  }

  /** Graded when it is read. */
  get latest(): GradedResult | undefined {
    if (!this.#latest) return undefined;
    const { result, at } = this.#latest;
    return { ...result, quality: this.now() - at > this.staleMs ? 'stale' : qualityOf(result.prediction) };
  }

  get seen(): SeenResult | undefined {
    return this.#seen;
  }

  /** What ends it. */
  subscribe(listener: (result: Result) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
}
