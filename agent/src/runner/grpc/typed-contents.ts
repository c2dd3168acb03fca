import type { Datatype, TensorSignature } from '@flotilla/protocol/device';
import { RequestError } from '../../http/http.js';
import type { TypedContents } from '../oip/request.js';
import { textOf } from '../oip/tensor-binary.js';
import { type TensorData, elementsOf, emptyData } from '../tensor.js';
import { Malformed, countPacked, fields, mistyped, packed, signed } from '../../protobuf.js';

const refuse = (message: string) => new RequestError(400, message);

/** `alone`: how one value is written where they are not packed. */
type Field = { id: number; name: string; alone: 'varint' | 'fixed32' | 'fixed64' | 'bytes' };
/** Values that came one by one: each is held apart. */
const maxPieces = 2 ** 20;
const maxTensorBytes = 128 * 1024 * 1024;
type Numbers = Exclude<TensorData, string[]>;
/** InferTensorContents: which field holds the values of which type. FP16 has none. */
const fieldOf: Readonly<Record<Datatype, Field | undefined>> = {
  BOOL: { id: 1, name: 'bool_contents', alone: 'varint' },
  INT8: { id: 2, name: 'int_contents', alone: 'varint' },
  INT16: { id: 2, name: 'int_contents', alone: 'varint' },
  INT32: { id: 2, name: 'int_contents', alone: 'varint' },
  INT64: { id: 3, name: 'int64_contents', alone: 'varint' },
  UINT8: { id: 4, name: 'uint_contents', alone: 'varint' },
  UINT16: { id: 4, name: 'uint_contents', alone: 'varint' },
  UINT32: { id: 4, name: 'uint_contents', alone: 'varint' },
  UINT64: { id: 5, name: 'uint64_contents', alone: 'varint' },
  FP32: { id: 6, name: 'fp32_contents', alone: 'fixed32' },
  FP64: { id: 7, name: 'fp64_contents', alone: 'fixed64' },
  BYTES: { id: 8, name: 'bytes_contents', alone: 'bytes' },
  FP16: undefined,
};
const nameOf = new Map(Object.values(fieldOf).map((field) => [field?.id, field?.name]));

/** Read only once type and shape are known to be the model's: a few bytes can stand for a great many values. */
export const typedContents =
  (message: Buffer): TypedContents =>
  (tensor) => {
    const field = fieldOf[tensor.type];
    if (!field) throw refuse(`input "${tensor.name}": ${tensor.type} has no typed contents; send it in raw_input_contents`);
    const pieces = piecesOf(tensor, message, field);
    if (tensor.type === 'BYTES') return texts(tensor, pieces);
    const size = { FP32: 4, FP64: 8 }[tensor.type as string];
    if (size && pieces.some((piece) => piece.length % size !== 0)) throw new Malformed(`${field.name} ends within a number`);
    const came = pieces.reduce((sum, piece) => sum + (size ? piece.length / size : countPacked(piece)), 0);
    checkCount(tensor, came);
    const data = emptyData(tensor.type, came) as Numbers;
    if (size) new Uint8Array(data.buffer).set(Buffer.concat(pieces));
    else fill(tensor, data, pieces);
    return data;
  };

/** The field's bytes, packed or one by one. Any other field that holds something is the wrong one. */
function piecesOf({ name, type }: TensorSignature, message: Buffer, expected: Field): Buffer[] {
  const pieces: Buffer[] = [];
  for (const field of fields(message)) {
    const known = nameOf.get(field.id);
    if (known === undefined) continue;
    if (field.id !== expected.id) throw refuse(`input "${name}" came with ${known}, expected ${expected.name} for ${type}`);
    if (field.wire !== 'bytes' && field.wire !== expected.alone) throw mistyped(field.id, `the values of ${type}`);
    if (pieces.length >= maxPieces)
      throw refuse(`input "${name}" has more than ${maxPieces} values one by one; send it in raw_input_contents`);
    pieces.push(field.wire === 'varint' ? oneVarint(field.value) : field.value);
  }
  return pieces;
}

const bigWidth = 0x80n;
/** Unpacked numbers are rare: written back, they are read like the packed ones. */
function oneVarint(value: number | bigint): Buffer {
  const bytes: number[] = [];
  let rest = BigInt(value);
  for (; rest >= bigWidth; rest /= bigWidth) bytes.push(Number(rest % bigWidth) + 128);
  return Buffer.from([...bytes, Number(rest)]);
}

function checkCount({ name, type, shape }: TensorSignature, came: number): void {
  if (came !== elementsOf(shape))
    throw refuse(`input "${name}" came with ${came} values, expected ${elementsOf(shape)} for shape [${shape.join(',')}]`);
  // Small integers take one byte here and eight in the tensor.
  if (type !== 'BYTES' && came * (emptyData(type, 0) as Numbers).BYTES_PER_ELEMENT > maxTensorBytes)
    throw new RequestError(413, `input "${name}" has more than ${maxTensorBytes} bytes; that is more than the queue takes`);
}

const unsignedTypes = new Set<Datatype>(['UINT8', 'UINT16', 'UINT32', 'UINT64']);

function fill({ name, type }: TensorSignature, data: Numbers, pieces: readonly Buffer[]): void {
  const big = data instanceof BigInt64Array || data instanceof BigUint64Array;
  let i = 0;
  for (const piece of pieces)
    for (const value of packed(piece)) {
      const meant = type === 'BOOL' ? Number(value !== 0) : unsignedTypes.has(type) ? value : signed(value);
      data[i] = (big ? BigInt(meant) : Number(meant)) as never;
      // What does not fit is cut off by the array, and is another number then.
      if (data[i] != meant) throw refuse(`input "${name}": data[${i}] is ${meant}, which is no ${type}`);
      i += 1;
    }
}

function texts(tensor: TensorSignature, pieces: readonly Buffer[]): string[] {
  checkCount(tensor, pieces.length);
  return pieces.map((piece, i) => textOf(tensor.name, i, piece));
}
