import { isUtf8 } from 'node:buffer';

// As much of reading Protocol Buffers' wire format as our messages need. It copies nothing: what is bytes is a view of the message.

/** The bytes are no message of the expected kind. */
export class Malformed extends Error {
  override readonly name = 'Malformed';
}

/** By wire type: a varint is a number, or a bigint where that would lose digits; the rest are bytes, of eight and four with the fixed types. */
export type FieldRead =
  | { id: number; wire: 'varint'; value: number | bigint }
  | { id: number; wire: 'fixed64' | 'bytes' | 'fixed32'; value: Buffer };

/** How many fields may still be read: each can cost far more memory than its two bytes. */
export type Allowance = { left: number };

/** Field by field, in the order they came. */
export function* fields(message: Buffer, allowance: Allowance = { left: Infinity }): Generator<FieldRead, void, undefined> {
  const at = { offset: 0 };
  while (at.offset < message.length) {
    if (--allowance.left < 0) throw new Malformed('it has too many fields');
    const tag = number(varint(message, at));
    const id = Math.floor(tag / 8);
    if (id === 0) throw new Malformed('a field has the number 0');
    const wire = tag % 8;
    if (wire === 0) yield { id, wire: 'varint', value: varint(message, at) };
    else if (wire === 1) yield { id, wire: 'fixed64', value: take(message, at, 8) };
    else if (wire === 2) yield { id, wire: 'bytes', value: take(message, at, number(varint(message, at))) };
    else if (wire === 5) yield { id, wire: 'fixed32', value: take(message, at, 4) };
    else throw new Malformed(`field ${id} has the wire type ${wire}, which there is none of`);
  }
}

/** Varints one after the other, as a packed field holds them. */
export function* packed(bytes: Buffer): Generator<number | bigint, void, undefined> {
  const at = { offset: 0 };
  while (at.offset < bytes.length) yield varint(bytes, at);
}

/** How many varints there are: each ends with a byte below 128. */
export function countPacked(bytes: Buffer): number {
  let count = 0;
  for (const byte of bytes) if (byte < 0x80) count += 1;
  return count;
}

export function textIn({ id, wire, value }: FieldRead): string {
  if (wire !== 'bytes') throw mistyped(id, 'text');
  if (!isUtf8(value)) throw new Malformed(`field ${id} is text that is not UTF-8`);
  return value.toString('utf8');
}

export function bytesIn({ id, wire, value }: FieldRead): Buffer {
  if (wire !== 'bytes') throw mistyped(id, 'bytes');
  return value;
}

export function flagIn({ id, wire, value }: FieldRead): boolean {
  if (wire !== 'varint') throw mistyped(id, 'a varint');
  return Number(value) !== 0;
}

export function doubleIn({ id, wire, value }: FieldRead): number {
  if (wire !== 'fixed64') throw mistyped(id, 'a double');
  return value.readDoubleLE();
}

/** The field's varint as a signed number of 64 bits. */
export function signedIn({ id, wire, value }: FieldRead): number | bigint {
  if (wire !== 'varint') throw mistyped(id, 'a varint');
  return signed(value);
}

export function unsignedIn({ id, wire, value }: FieldRead): number | bigint {
  if (wire !== 'varint') throw mistyped(id, 'a varint');
  return value;
}

/** −1 comes as 2^64 − 1. */
export const signed = (value: number | bigint): number | bigint =>
  typeof value === 'number' ? value : plain(BigInt.asIntN(64, value));

export const mistyped = (id: number, expected: string) => new Malformed(`field ${id} is not ${expected}`);

const plain = (value: bigint) => {
  const asNumber = Number(value);
  return Number.isSafeInteger(asNumber) ? asNumber : value;
};

function number(value: number | bigint): number {
  if (typeof value === 'bigint') throw new Malformed('a length or a tag is beyond all bounds');
  return value;
}

function take(message: Buffer, at: { offset: number }, length: number): Buffer {
  const end = at.offset + length;
  if (end > message.length)
    throw new Malformed(`a field claims ${length} bytes, ${message.length - at.offset} are left of the message`);
  const bytes = message.subarray(at.offset, end);
  at.offset = end;
  return bytes;
}

/** Up to ten bytes of seven bits, the lowest first. */
function varint(bytes: Buffer, at: { offset: number }): number | bigint {
  let value = 0;
  let factor = 1;
  for (let i = 0; i < 7; i++) {
    const byte = bytes[at.offset++];
    if (byte === undefined) throw new Malformed('the message ends within a number');
    value += (byte & 0x7f) * factor;
    if (byte < 0x80) return value;
    factor *= 128;
  }
  return large(bytes, at, BigInt(value));
}

function large(bytes: Buffer, at: { offset: number }, low: bigint): number | bigint {
  let value = low;
  for (let shift = 49n; shift < 70n; shift += 7n) {
    const byte = bytes[at.offset++];
    if (byte === undefined) throw new Malformed('the message ends within a number');
    value += BigInt(byte & 0x7f) << shift;
    if (byte < 0x80) return plain(BigInt.asUintN(64, value));
  }
  throw new Malformed('a number has more than ten bytes');
}
