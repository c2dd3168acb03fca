import { type BacklogLimits, usualBacklog } from '../backlog.js';

type Entry<T> = { item: T; bytes: number };

/**
 * What was and what is to be sent, oldest first. Data of Sparkplug is never acknowledged; but when the broker has answered a ping, it has read
 * everything that was sent before it. What was sent since then is sent again when the connection falls.
 */
export class Ledger<T> {
  // With a head: taking from the front of a long array moves all of it.
  #entries: Entry<T>[] = [];
  #head = 0;
  /** Where what is to be sent begins. */
  #next = 0;
  /** Where it began when each ping went out that is not answered yet. */
  #marks: number[] = [];
  #bytes = 0;
  #sent = 0;
  #dropped = 0;
  /** Sent, and given up for want of room before anybody knew whether they arrived. */
  #inDoubt = 0;

  constructor(private readonly limits: BacklogLimits = usualBacklog) {}

  /** How many are to be sent. */
  get waiting(): number {
    return this.#entries.length - this.#next;
  }

  /** How many were sent of which nobody knows yet whether they arrived. */
  get unproven(): number {
    return this.#next - this.#head + this.#inDoubt;
  }

  get isProving(): boolean {
    return this.#marks.length > 0;
  }

  get sent(): number {
    return this.#sent;
  }

  /** Lost for the peer, for want of room. */
  get dropped(): number {
    return this.#dropped;
  }

  push(item: T, bytes: number): void {
    this.#entries.push({ item, bytes });
    this.#bytes += bytes;
    const { count, bytes: most } = this.limits;
    while (this.#kept > count || (this.#bytes > most && this.#kept > 1)) this.#giveUp();
    this.#compact();
  }

  /** The oldest that is to be sent. */
  peek(): T | undefined {
    return this.#entries[this.#next]?.item;
  }

  /** It is on its way. */
  advance(): void {
    this.#next += 1;
    this.#sent += 1;
  }

  /** Nobody wants it any more. */
  lose(): void {
    this.#next += 1;
    this.#dropped += 1;
  }

  /** A ping follows all that was sent so far. */
  pinged(): void {
    this.#marks.push(this.#next);
  }

  /** The oldest ping is answered. */
  proven(): void {
    const mark = this.#marks.shift();
    if (mark === undefined) return;
    while (this.#head < mark) this.#shift();
    this.#inDoubt = 0;
    this.#compact();
  }

  /** The connection fell: what is not proven is to be sent again. */
  unsend(): void {
    this.#sent -= this.unproven;
    this.#dropped += this.#inDoubt;
    this.#inDoubt = 0;
    this.#next = this.#head;
    this.#marks = [];
  }

  get #kept(): number {
    return this.#entries.length - this.#head;
  }

  #giveUp(): void {
    if (this.#head < this.#next) this.#inDoubt += 1;
    else {
      this.#next += 1;
      this.#dropped += 1;
    }
    this.#shift();
  }

  #shift(): void {
    this.#bytes -= this.#entries[this.#head]!.bytes;
    this.#head += 1;
  }

  #compact(): void {
    const gone = this.#head;
    if (gone <= 1024 || gone * 2 <= this.#entries.length) return;
    this.#entries = this.#entries.slice(gone);
    this.#next -= gone;
    this.#marks = this.#marks.map((mark) => mark - gone);
    this.#head = 0;
  }
}
