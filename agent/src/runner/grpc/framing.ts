import type { MessageBuffers } from './message-buffers.js';
import { CallError, codes } from './status.js';

/** A message as it came: its length prefix taken off, still compressed where the flag says so. */
export type Frame = {
  compressed: boolean;
  bytes: Buffer;
  /** To be given back once the bytes were read. */
  lent?: Buffer;
};
type Partial = { compressed: boolean; length: number; filled: number; lent: Buffer };

const prefixBytes = 5;

/**
 * Puts length-prefixed messages together from what HTTP/2 brings. Each is copied once where it came in pieces, and not at all where
 * it did not; one that is announced too long is refused before any of it is held.
 */
export class Deframer {
  #prefix: Buffer = Buffer.alloc(0);
  #partial: Partial | undefined;

  constructor(
    private readonly maxBytes: number,
    private readonly buffers: MessageBuffers,
    private readonly onFrame: (frame: Frame) => void,
  ) {}

  /** Something has begun and is not whole. */
  get midway(): boolean {
    return this.#partial !== undefined || this.#prefix.length > 0;
  }

  push(chunk: Buffer): void {
    let rest = chunk;
    while (rest.length > 0) rest = this.#partial ? this.#fill(this.#partial, rest) : this.#begin(rest);
  }

  #begin(chunk: Buffer): Buffer {
    const joined = this.#prefix.length > 0 ? Buffer.concat([this.#prefix, chunk]) : chunk;
    if (joined.length < prefixBytes) {
      this.#prefix = joined;
      return chunk.subarray(chunk.length);
    }
    this.#prefix = Buffer.alloc(0);
    const compressed = joined[0] === 1;
    const length = joined.readUInt32BE(1);
    if (joined[0]! > 1)
      throw new CallError(codes.invalidArgument, `a message begins with the flag ${joined[0]}, expected 0 or 1`);
    if (length > this.maxBytes) throw tooLarge(`${length} bytes`, this.maxBytes);
    const end = prefixBytes + length;
    if (joined.length >= end) this.onFrame({ compressed, bytes: joined.subarray(prefixBytes, end) });
    else {
      // Its pages are the system's until they are written to: an announced length alone takes no memory.
      this.#partial = { compressed, length, filled: 0, lent: this.buffers.take(length) };
      this.#fill(this.#partial, joined.subarray(prefixBytes));
    }
    return joined.subarray(Math.min(end, joined.length));
  }

  /** Where the rest never came. */
  abandon(): void {
    if (this.#partial) this.buffers.giveBack(this.#partial.lent);
    this.#partial = undefined;
  }

  #fill(partial: Partial, chunk: Buffer): Buffer {
    const { compressed, length, lent } = partial;
    const taken = Math.min(length - partial.filled, chunk.length);
    chunk.copy(lent, partial.filled, 0, taken);
    partial.filled += taken;
    if (partial.filled === length) {
      this.#partial = undefined;
      this.onFrame({ compressed, bytes: lent.subarray(0, length), lent });
    }
    return chunk.subarray(taken);
  }
}

export const tooLarge = (what: string, maxBytes: number) =>
  new CallError(codes.resourceExhausted, `the message has ${what}, more than the ${maxBytes} that are taken`);

/** Short answers go out as one piece; long tensors as they are, behind the prefix. */
const joinBelowBytes = 16 * 1024;

/** The pieces to write for one message. */
export function framed(pieces: readonly Uint8Array[], compressed = false): Uint8Array[] {
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const prefix = Buffer.alloc(prefixBytes);
  prefix[0] = Number(compressed);
  prefix.writeUInt32BE(length, 1);
  return length < joinBelowBytes ? [Buffer.concat([prefix, ...pieces])] : [prefix, ...pieces];
}
