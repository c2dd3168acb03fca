import type { Headline, Reading } from '../reading.js';
import type { Cause } from '../slot-port.js';
import { headlineIn, statusOf, type StatusName } from './fields.js';

/** What is kept of one reading; `at` is the time that it is found by. */
export type Kept = { at: number; status: StatusName; headline: Headline };
/** Milliseconds since 1970, both inclusive; undefined: without an end. */
type Span = { from: number | undefined; to: number | undefined };

/** The last readings of one slot, oldest first, for all of its variables: bounded by age and count. */
export class History {
  #kept: Kept[] = [];
  #head = 0;
  #status: StatusName = 'BadWaitingForInitialData';

  constructor(private readonly limits: { count: number; ageMs: number }) {}

  get length(): number {
    return this.#kept.length - this.#head;
  }

  /** A result counts at the time of its input; that it was worth less later, at the time when that was found. */
  push(reading: Reading, cause: Cause): void {
    const { quality, result } = reading;
    const status = statusOf(quality, result !== undefined);
    if (cause !== 'result' && status === this.#status) return;
    this.#status = status;
    const at = cause === 'result' && result ? result.capturedAt : reading.at;
    // Part 11, 6.4.3.2: of several values of one time the newest is returned.
    if (this.length > 0 && this.#kept.at(-1)?.at === at) this.#kept.pop();
    this.#kept.push({ at, status, headline: headlineIn(reading) });
    const oldest = reading.at - this.limits.ageMs;
    while (this.length > this.limits.count || (this.length > 0 && this.#kept[this.#head]!.at < oldest)) this.#head += 1;
    if (this.#head > 1024 && this.#head * 2 > this.#kept.length) {
      this.#kept = this.#kept.slice(this.#head);
      this.#head = 0;
    }
  }

  /** Oldest first, or newest first; at most `most`, where it is not 0. */
  within({ from = -Infinity, to = Infinity }: Span, most: number, newestFirst: boolean): Kept[] {
    const found: Kept[] = [];
    const step = newestFirst ? -1 : 1;
    const start = newestFirst ? this.#kept.length - 1 : this.#head;
    for (let index = start; index >= this.#head && index < this.#kept.length; index += step) {
      const kept = this.#kept[index]!;
      if (kept.at < from || kept.at > to) continue;
      found.push(kept);
      if (found.length === most) break;
    }
    return found;
  }
}
