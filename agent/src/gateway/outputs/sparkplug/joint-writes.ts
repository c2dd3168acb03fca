import { Pace } from '../pace.js';

/** So long one may wait for the next. */
const burstMs = 5;

/** What is written within a moment goes out in one write, in its order; the first after a pause goes at once. */
export class JointWrites {
  #isCorked = false;
  readonly #pace = new Pace(burstMs, () => this.#go());

  constructor(private readonly stream: { cork(): void; uncork(): void }) {}

  /** Before each write. */
  next(): void {
    if (!this.#isCorked) this.stream.cork();
    this.#isCorked = true;
    this.#pace.ask();
  }

  #go(): void {
    if (this.#isCorked) this.stream.uncork();
    this.#isCorked = false;
  }
}
