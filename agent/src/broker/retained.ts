/** What is kept for who comes later; beyond this a message is delivered and not kept. */
const retainedLimits = { topics: 4096, bytes: 16 * 1024 * 1024 };

type Message = { topic: string; payload: string | Uint8Array };

/** Accounts for retained messages, of which aedes keeps any number. */
export class Retained {
  readonly #bytes = new Map<string, number>();
  #sum = 0;

  constructor(private readonly limits = retainedLimits) {}

  /** Whether it may be kept, as far as it is to be. */
  admits({ topic, payload }: Message): boolean {
    const before = this.#bytes.get(topic) ?? 0;
    const bytes = payload.length === 0 ? 0 : payload.length + topic.length;
    const sum = this.#sum - before + bytes;
    const isNew = bytes > 0 && !this.#bytes.has(topic);
    if (sum > this.limits.bytes || (isNew && this.#bytes.size >= this.limits.topics)) return false;
    this.#sum = sum;
    if (bytes > 0) this.#bytes.set(topic, bytes);
    else this.#bytes.delete(topic);
    return true;
  }
}
