/** Bounds of what waits for a peer. */
export type BacklogLimits = { count: number; bytes: number };
export const usualBacklog: BacklogLimits = { count: 10_000, bytes: 8 * 2 ** 20 };

/** What waits for a peer that is slow or away, oldest first: bounded, and what it gives up (the oldest) is counted. */
export class Backlog<T> {
  // With a head: taking from the front of a long array moves all of it.
  #items: { item: T; bytes: number }[] = [];
  #head = 0;
  #bytes = 0;
  #dropped = 0;

  constructor(private readonly limits: BacklogLimits = usualBacklog) {}

  get length(): number {
    return this.#items.length - this.#head;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get dropped(): number {
    return this.#dropped;
  }

  push(item: T, bytes: number): void {
    this.#items.push({ item, bytes });
    this.#bytes += bytes;
    while (this.length > this.limits.count || (this.#bytes > this.limits.bytes && this.length > 1)) {
      this.shift();
      this.#dropped += 1;
    }
  }

  peek(): T | undefined {
    return this.#items[this.#head]?.item;
  }

  shift(): T | undefined {
    const first = this.#items[this.#head];
    if (!first) return undefined;
    this.#head += 1;
    this.#bytes -= first.bytes;
    if (this.#head > 1024 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return first.item;
  }
}
