import { Pace } from '../pace.js';
import type { Carrier } from './delivery.js';

/** So long one may wait for the next: what comes faster goes out together, in one write instead of one each. */
const burstMs = 5;

/** A carrier that takes messages of one moment together. */
export class Bursts {
  #waiting: Parameters<Carrier>[] = [];
  readonly #pace = new Pace(burstMs, () => this.#go());

  constructor(private readonly carrier: Carrier) {}

  readonly carry: Carrier = (json, done) => {
    this.#waiting.push([json, done]);
    this.#pace.ask();
  };

  /** What waits is not carried any more. */
  stop(): void {
    this.#waiting = [];
    this.#pace.stop();
  }

  #go(): void {
    for (const [json, done] of this.#waiting.splice(0)) this.carrier(json, done);
  }
}
