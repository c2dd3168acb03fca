import type { Logger } from '../log.js';
import type { Loss } from './source.js';

/** Between two lines of the log, however many are lost. */
const quietMs = 10_000;

/** What a source lost, counted, and the newest named in the log now and then. */
export class Losses {
  #count = 0;
  #saidAt = -Infinity;
  #unsaid = 0;

  constructor(
    private readonly slot: string,
    private readonly log: Logger,
  ) {}

  get count(): number {
    return this.#count;
  }

  add({ name, reason }: Loss): void {
    this.#count += 1;
    const now = performance.now();
    if (now - this.#saidAt < quietMs) {
      this.#unsaid += 1;
      return;
    }
    const others = this.#unsaid > 0 ? { alsoSinceTheLast: this.#unsaid } : {};
    this.log.warn(
      { slot: this.slot, ...(name === undefined ? {} : { name }), reason, ...others },
      'the source has lost something',
    );
    this.#saidAt = now;
    this.#unsaid = 0;
  }
}
