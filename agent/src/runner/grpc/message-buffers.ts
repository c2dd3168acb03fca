import { CallError, codes } from './status.js';

/** What is kept for the next messages, in all. */
const keptBytes = 4 * 1024 * 1024;
/** One much larger than its message would hold memory for nothing. */
const roomiest = 4;
const step = 16 * 1024;

/**
 * Buffers for messages that come in pieces, used again and again. A tensor's message is garbage once its values are copied out, and V8
 * answers 200 KB of it a request with collections that cost more than the rest of the call.
 */
export class MessageBuffers {
  readonly #free: Buffer[] = [];
  #freeBytes = 0;
  #lentBytes = 0;

  /** `maxLentBytes`: of all messages together that come in now, or wait to be read. */
  constructor(private readonly maxLentBytes: number) {}

  take(length: number): Buffer {
    if (this.#lentBytes + length > this.maxLentBytes)
      throw new CallError(codes.resourceExhausted, `more than ${this.maxLentBytes} bytes come at once; try again later`);
    const buffer = this.#find(length);
    this.#lentBytes += buffer.length;
    return buffer;
  }

  /** Nobody may look into it any more. */
  giveBack(buffer: Buffer): void {
    this.#lentBytes -= buffer.length;
    this.#free.push(buffer);
    this.#freeBytes += buffer.length;
    while (this.#freeBytes > keptBytes) {
      const oldest = this.#free.shift()!;
      this.#freeBytes -= oldest.length;
      // Now, and not when the collector gets to it.
      (oldest.buffer as ArrayBuffer).transfer(0);
    }
  }

  #find(length: number): Buffer {
    const found = this.#free.findIndex((buffer) => buffer.length >= length && buffer.length <= Math.max(step, length * roomiest));
    if (found < 0) return Buffer.allocUnsafeSlow(Math.ceil(length / step) * step);
    const [buffer] = this.#free.splice(found, 1);
    this.#freeBytes -= buffer!.length;
    return buffer!;
  }
}
