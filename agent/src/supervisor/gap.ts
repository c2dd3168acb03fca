import { gapNote } from '../core/swap-plan.js';

/** Time in which no release of a slot serves, because its incumbent had to go before the candidate could come. */
export class Gap {
  readonly #from = performance.now();
  readonly #standIn: NodeJS.Timeout;

  /** `standIn`: for clients that would wait in the backlog for longer than this. */
  constructor(standInMs: number, standIn: () => void) {
    this.#standIn = setTimeout(standIn, standInMs);
  }

  /** What it was, in words. */
  end(): string {
    clearTimeout(this.#standIn);
    return gapNote(performance.now() - this.#from);
  }
}
