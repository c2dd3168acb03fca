/** Longer ones are rare, and read again each time. */
const maxBytes = 4096;
const kept = 4;

/** Clients send the same JSON before the tensors of each request: the last few are read once. What is handed out is shared, and not to be changed. */
export class RecentHeads<T> {
  readonly #recent: { bytes: Buffer; head: T }[] = [];

  read(bytes: Buffer, parse: (bytes: Buffer) => T): T {
    const known = this.#recent.find((one) => one.bytes.equals(bytes));
    if (known) return known.head;
    const head = parse(bytes);
    if (bytes.length > maxBytes) return head;
    // A copy: its own buffer goes to the engine.
    this.#recent.unshift({ bytes: Buffer.from(bytes), head });
    this.#recent.length = Math.min(this.#recent.length, kept);
    return head;
  }
}
