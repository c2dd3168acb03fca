/** Frames of Modbus TCP (MODBUS Messaging on TCP/IP Implementation Guide V1.0b, 3.1.3). */

type Request = { transaction: number; unit: number; pdu: Buffer };

const headerBytes = 7;
/** Unit identifier and PDU: a PDU has at most 253 bytes (MODBUS Application Protocol V1.1b3, 4.1). */
const longest = 254;

/** What comes is none of this protocol; nothing that follows on the connection can be made sense of. */
class NotModbus extends Error {
  override readonly name = 'NotModbus';
}

/** Cuts a stream into requests; it never holds more than one that is not complete, and what came with it. */
export class FrameReader {
  #held: Buffer = Buffer.alloc(0);

  /** Throws NotModbus. */
  *take(bytes: Buffer): Generator<Request> {
    let rest = this.#held.byteLength > 0 ? Buffer.concat([this.#held, bytes]) : bytes;
    this.#held = Buffer.alloc(0);
    while (rest.byteLength >= headerBytes - 1) {
      const length = lengthOf(rest);
      if (rest.byteLength < headerBytes - 1 + length) break;
      const end = headerBytes - 1 + length;
      yield { transaction: rest.readUInt16BE(0), unit: rest[6]!, pdu: rest.subarray(headerBytes, end) };
      rest = rest.subarray(end);
    }
    this.#held = Buffer.from(rest);
  }
}

function lengthOf(frame: Buffer): number {
  const [protocol, length] = [frame.readUInt16BE(2), frame.readUInt16BE(4)];
  if (protocol !== 0) throw new NotModbus(`protocol identifier ${protocol} where 0 must be`);
  if (length < 2 || length > longest) throw new NotModbus(`a frame of ${length} bytes, where 2 to ${longest} are allowed`);
  return length;
}

export function frameOf({ transaction, unit }: Pick<Request, 'transaction' | 'unit'>, pdu: Buffer): Buffer {
  const frame = Buffer.alloc(headerBytes + pdu.byteLength);
  frame.writeUInt16BE(transaction, 0);
  frame.writeUInt16BE(pdu.byteLength + 1, 4);
  frame[6] = unit;
  pdu.copy(frame, headerBytes);
  return frame;
}
