/** The engine protocol's framing; docs/engine-protocol.md describes it for authors in other languages, and a test holds it to that. */
export const protocolVersion = 1;
const magic = 0x4e454c46; // "FLEN", read as a little-endian number
const headerBytes = 24;
const alignment = 64;
/** What neither side accepts more of. */
export const frameLimits = { headBytes: 1 << 20, payloadBytes: 2 ** 30 } as const;

/** The other side does not keep to the protocol: nothing that it sends can be trusted any more. */
export class ProtocolFault extends Error {
  override readonly name = 'ProtocolFault';
}

type Frame = { head: unknown; payload: ArrayBuffer };

/** Where the next tensor of a payload begins. */
export const aligned = (offset: number) => Math.ceil(offset / alignment) * alignment;

/** Header and head: the payload follows at a multiple of 64 bytes, for which spaces are added to the JSON. */
export function encodeHead(head: object, payloadBytes: number): Buffer<ArrayBuffer> {
  const json = Buffer.from(JSON.stringify(head), 'utf8');
  const total = aligned(headerBytes + json.length);
  if (total - headerBytes > frameLimits.headBytes || payloadBytes > frameLimits.payloadBytes)
    throw new RangeError(`a frame with a head of ${json.length} and a payload of ${payloadBytes} bytes is too large`);
  const bytes = Buffer.alloc(total, ' ');
  bytes.writeUInt32LE(magic, 0);
  bytes.writeUInt16LE(protocolVersion, 4);
  bytes.writeUInt16LE(0, 6);
  bytes.writeUInt32LE(total - headerBytes, 8);
  bytes.writeUInt32LE(0, 12);
  bytes.writeBigUInt64LE(BigInt(payloadBytes), 16);
  json.copy(bytes, headerBytes);
  return bytes;
}

/** Takes bytes as they come and gives whole frames; a payload is copied once, into a buffer of its own. */
export class FrameReader {
  #part: 'header' | 'head' | 'payload' = 'header';
  #into = new Uint8Array(headerBytes);
  #filled = 0;
  #payloadBytes = 0;
  #head: unknown;

  /** Throws ProtocolFault at the first byte that can't be right. */
  *push(chunk: Uint8Array): Generator<Frame> {
    let at = 0;
    while (at < chunk.length || this.#filled === this.#into.length) {
      const taken = Math.min(chunk.length - at, this.#into.length - this.#filled);
      this.#into.set(chunk.subarray(at, at + taken), this.#filled);
      at += taken;
      this.#filled += taken;
      if (this.#filled < this.#into.length) return;
      const frame = this.#partDone();
      if (frame) yield frame;
    }
  }

  #partDone(): Frame | undefined {
    const bytes = this.#into;
    switch (this.#part) {
      case 'header': {
        const { headBytes, payloadBytes } = readHeader(bytes);
        this.#payloadBytes = payloadBytes;
        this.#expect('head', headBytes);
        return undefined;
      }
      case 'head':
        this.#head = parseHead(bytes);
        this.#expect('payload', this.#payloadBytes);
        return undefined;
      case 'payload':
        this.#expect('header', headerBytes);
        return { head: this.#head, payload: bytes.buffer };
    }
  }

  #expect(part: 'header' | 'head' | 'payload', bytes: number): void {
    this.#part = part;
    this.#into = new Uint8Array(bytes);
    this.#filled = 0;
  }
}

function readHeader(bytes: Uint8Array<ArrayBuffer>): { headBytes: number; payloadBytes: number } {
  const view = new DataView(bytes.buffer);
  if (view.getUint32(0, true) !== magic)
    throw new ProtocolFault(`a frame begins with ${hex(bytes.subarray(0, 4))}, not with "FLEN"`);
  const version = view.getUint16(4, true);
  if (version !== protocolVersion)
    throw new ProtocolFault(`a frame of version ${version} came, this side speaks ${protocolVersion}`);
  const headBytes = view.getUint32(8, true);
  const payloadBytes = Number(view.getBigUint64(16, true));
  if (headBytes < 2 || headBytes > frameLimits.headBytes)
    throw new ProtocolFault(`a frame's head is said to have ${headBytes} bytes, the limits are 2 and ${frameLimits.headBytes}`);
  if ((headerBytes + headBytes) % alignment !== 0)
    throw new ProtocolFault(`a head of ${headBytes} bytes does not end at a multiple of ${alignment}`);
  if (payloadBytes > frameLimits.payloadBytes)
    throw new ProtocolFault(`a payload is said to have ${payloadBytes} bytes, the limit is ${frameLimits.payloadBytes}`);
  return { headBytes, payloadBytes };
}

function parseHead(bytes: Uint8Array): unknown {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
  try {
    return JSON.parse(text);
  } catch {
    throw new ProtocolFault(`a frame's head is no JSON: ${text.slice(0, 80)}`);
  }
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
