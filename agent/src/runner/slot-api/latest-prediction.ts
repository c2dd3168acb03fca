import type { GradedPrediction } from './slot-schemas.js';
import { type Prediction, qualityOf } from '../../prediction.js';

/** The last prediction, graded when it is read. `now` is in milliseconds and never goes back: `at` would follow a clock that is set. */
export class LatestPrediction {
  #latest: { prediction: Prediction; since: number } | undefined;

  constructor(
    /** Milliseconds. */
    public staleMs: number,
    private readonly now: () => number = () => performance.now(),
  ) {}

  set(prediction: Prediction): void {
    this.#latest = { prediction, since: this.now() };
  }

  read(): GradedPrediction | undefined {
    if (!this.#latest) return undefined;
    const { prediction, since } = this.#latest;
    return { ...prediction, quality: this.now() - since > this.staleMs ? 'stale' : qualityOf(prediction) };
  }
}
