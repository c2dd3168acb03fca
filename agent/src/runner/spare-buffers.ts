/** A page: sizes are rounded up to it, so that requests of nearly one size share their buffers. */
const step = 4096;

/**
 * The buffers that tensors came in, for the next ones. Freed and allocated anew, each would be a walk through the allocator on two threads,
 * and often pages handed to the system and back. Their bytes are whatever was there before.
 */
export class SpareBuffers {
  readonly #spare: ArrayBuffer[] = [];
  #bytes = 0;

  /** `maxBytes`: what is kept at most, in all. */
  constructor(private readonly maxBytes: number) {}

  /** At least so long. */
  take(bytes: number): ArrayBuffer {
    const size = Math.ceil(bytes / step) * step;
    const found = this.#spare.findLastIndex(({ byteLength }) => byteLength === size);
    if (found < 0) return Buffer.allocUnsafeSlow(size).buffer;
    const [buffer] = this.#spare.splice(found, 1);
    this.#bytes -= size;
    return buffer!;
  }

  /** Nobody may look into it any more. One of a size that is never asked for, or more than is kept, is freed now and not when the collector gets to it. */
  give(buffer: ArrayBuffer): void {
    if (buffer.detached || buffer.byteLength === 0) return;
    if (buffer.byteLength % step !== 0 || buffer.byteLength > this.maxBytes) {
      buffer.transfer(0);
      return;
    }
    this.#spare.push(buffer);
    this.#bytes += buffer.byteLength;
    while (this.#bytes > this.maxBytes) {
      const oldest = this.#spare.shift()!;
      this.#bytes -= oldest.byteLength;
      oldest.transfer(0);
    }
  }
}

/** The process's: what listeners take, engines give back. */
export const spareBuffers = new SpareBuffers(4 * 1024 * 1024);
