import type { Captured } from './source.js';

/** What may wait of a signal: after this the oldest goes. */
const signalLimits = { chunks: 256, bytes: 8 * 1024 * 1024 };

/**
 * What a live source offers faster than it is inferred. Of pictures and features the newest waits; of a signal all that fits, in order, and what
 * comes after a loss says so.
 */
export class Mailbox {
  #newest: Captured | undefined;
  readonly #chunks: Captured[] = [];
  #bytes = 0;
  #lost = false;
  #dropped = 0;

  /** Whatever was offered and never taken. */
  get dropped(): number {
    return this.#dropped;
  }

  get empty(): boolean {
    return this.#newest === undefined && this.#chunks.length === 0;
  }

  put(captured: Captured): void {
    if (captured.payload.kind === 'signal') return this.#append(captured);
    if (this.#newest) this.#dropped += 1;
    this.#newest = captured;
  }

  take(): Captured | undefined {
    const chunk = this.#chunks.shift();
    if (!chunk) {
      const newest = this.#newest;
      this.#newest = undefined;
      return newest;
    }
    this.#bytes -= chunk.bytes.byteLength;
    const gap = this.#lost || chunk.gap;
    this.#lost = false;
    return gap ? { ...chunk, gap } : chunk;
  }

  /** What was taken and could not be used: back to the front, unless something newer makes it needless. */
  giveBack(captured: Captured): void {
    if (captured.payload.kind === 'signal') {
      this.#chunks.unshift(captured);
      this.#bytes += captured.bytes.byteLength;
    } else if (this.#newest) this.#dropped += 1;
    else this.#newest = captured;
  }

  #append(chunk: Captured): void {
    this.#chunks.push(chunk);
    this.#bytes += chunk.bytes.byteLength;
    while (this.#chunks.length > 1 && (this.#chunks.length > signalLimits.chunks || this.#bytes > signalLimits.bytes)) {
      this.#bytes -= this.#chunks.shift()!.bytes.byteLength;
      this.#dropped += 1;
      this.#lost = true;
    }
  }
}
