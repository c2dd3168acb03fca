import type { RecordClass } from './outbox-contract.js';

/** Sequence numbers that were sent together and are not yet known to be acknowledged. */
interface Span {
  readonly class: RecordClass;
  readonly from: number;
  readonly to: number;
  readonly attempts: number;
  /** Uptime in seconds from which on it is sent again. */
  readonly dueAt: number;
}

const firstWaitS = 10;
const longestWaitS = 300;

/** When what was sent is sent again: jittered, so that a fleet whose server was away does not come back in step. */
export class SentSpans {
  readonly #random: () => number;
  #spans: Span[] = [];

  constructor(random: () => number) {
    this.#random = random;
  }

  sent(span: Omit<Span, 'dueAt'>, now: number): void {
    const wait = Math.min(longestWaitS, firstWaitS * 2 ** span.attempts) * (0.5 + this.#random());
    this.#spans.push({ ...span, dueAt: now + wait });
  }

  /** To be sent again as soon as may be. */
  again(span: Omit<Span, 'dueAt'>): void {
    this.#spans.push({ ...span, dueAt: 0 });
  }

  /** A new connection: what was on its way in the old one may be lost. */
  allAgain(): void {
    this.#spans = this.#spans.map((span) => ({ ...span, dueAt: 0 }));
  }

  /** Takes the first that is due; the caller says what becomes of it. */
  takeDue(recordClass: RecordClass, now: number): Span | undefined {
    const index = this.#spans.findIndex((span) => span.class === recordClass && span.dueAt <= now);
    return index < 0 ? undefined : this.#spans.splice(index, 1)[0];
  }

  /** Everything below is resolved. */
  resolve(below: number): void {
    this.#spans = this.#spans.filter((span) => span.to >= below);
  }

  clear(): void {
    this.#spans = [];
  }
}
