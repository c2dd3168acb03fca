import { Duplex, Transform, type TransformCallback } from 'node:stream';

export type TooLarge = { topic: string; bytes: number };

const publish = 3;
/** Fixed header: a byte of type and flags, and up to four of length. */
const longestHeader = 5;

/**
 * MQTT.js keeps a whole packet in memory, of up to 256 MB, before anybody is asked. This stands before its parser and empties a message that
 * is too large: what is left of it can be acknowledged, so that the broker does not send it again for ever.
 */
class Guard extends Transform {
  #head = Buffer.alloc(0);
  /** Bytes of the packet in hand to let through, or to let go. */
  #through = 0;
  #drop = 0;

  constructor(
    private readonly mostBytes: number,
    private readonly onTooLarge: (message: TooLarge) => void,
  ) {
    super();
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    for (let rest = chunk; rest.length > 0;) {
      if (this.#through > 0) {
        const piece = rest.subarray(0, this.#through);
        this.push(piece);
        this.#through -= piece.length;
        rest = rest.subarray(piece.length);
      } else if (this.#drop > 0) {
        const dropped = Math.min(this.#drop, rest.length);
        this.#drop -= dropped;
        rest = rest.subarray(dropped);
      } else rest = this.#header(rest);
    }
    done();
  }

  /** Takes of the bytes what a header needs, which may come in pieces; gives the rest back. */
  #header(bytes: Buffer): Buffer {
    const all = Buffer.concat([this.#head, bytes]);
    const fixed = fixedHeader(all);
    const isLarge = fixed && fixed.type === publish && fixed.bytes > this.mostBytes;
    const variable = isLarge ? variableHeader(all, fixed) : undefined;
    if (!fixed || (isLarge && !variable)) {
      this.#head = all;
      return Buffer.alloc(0);
    }
    this.#head = Buffer.alloc(0);
    if (variable) return this.#empty(all, fixed, variable);
    this.push(all.subarray(0, fixed.end));
    this.#through = fixed.bytes;
    return all.subarray(fixed.end);
  }

  #empty(all: Buffer, fixed: Fixed, variable: Variable): Buffer {
    const kept = variable.end - fixed.end;
    this.push(Buffer.concat([all.subarray(0, 1), remainingLength(kept), all.subarray(fixed.end, variable.end)]));
    this.#drop = fixed.bytes - kept;
    this.onTooLarge({ topic: variable.topic, bytes: this.#drop });
    return all.subarray(variable.end);
  }
}

type Fixed = { type: number; qos: number; bytes: number; end: number };
type Variable = { topic: string; end: number };

/** MQTT 3.1.1, section 2.2. Undefined while it is not whole. */
function fixedHeader(bytes: Buffer): Fixed | undefined {
  let length = 0;
  for (let at = 1; at < Math.min(bytes.length, longestHeader); at += 1) {
    length += (bytes[at]! & 0x7f) * 128 ** (at - 1);
    // A fifth byte of length is the parser's to complain about.
    if (bytes[at]! < 0x80 || at === longestHeader - 1)
      return { type: bytes[0]! >> 4, qos: (bytes[0]! >> 1) & 3, bytes: length, end: at + 1 };
  }
  return undefined;
}

/** The topic and, from QoS 1 on, the packet's number. */
function variableHeader(bytes: Buffer, { qos, end }: Fixed): Variable | undefined {
  if (bytes.length < end + 2) return undefined;
  const topicEnd = end + 2 + bytes.readUInt16BE(end);
  const variableEnd = topicEnd + (qos > 0 ? 2 : 0);
  return bytes.length < variableEnd ? undefined : { topic: bytes.toString('utf8', end + 2, topicEnd), end: variableEnd };
}

function remainingLength(length: number): Buffer {
  const bytes: number[] = [];
  for (let rest = length; rest > 0 || bytes.length === 0; rest = Math.floor(rest / 128))
    bytes.push((rest % 128) | (rest >= 128 ? 0x80 : 0));
  return Buffer.from(bytes);
}

/** What came before the end is still heard (a refusal comes with it), unless a message waits and nothing is read meanwhile. */
const endHeardMs = 500;

/** The stream, with what comes in guarded. */
export function guarded(stream: Duplex, mostBytes: number, onTooLarge: (message: TooLarge) => void): Duplex {
  const whole = Duplex.from({ readable: stream.pipe(new Guard(mostBytes, onTooLarge)), writable: stream });
  whole.once('end', () => whole.destroy());
  stream.once('close', () => {
    const timer = setTimeout(() => whole.destroy(), endHeardMs);
    whole.once('close', () => clearTimeout(timer));
  });
  return whole;
}
