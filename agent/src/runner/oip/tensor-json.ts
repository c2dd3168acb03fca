import type { Datatype, TensorSignature } from '@flotilla/protocol/device';
import { RequestError } from '../../http/http.js';
import { type Tensor, type TensorData, describeTensor, elementsOf, emptyData, firstNonFinite } from '../tensor.js';

type JsonTensor = { name: string; datatype: Datatype; shape: readonly number[]; data: (number | boolean | string)[] };

const refuse = (message: string) => new RequestError(400, message);

/** Flat or nested, as the protocol lets a client choose. */
export function dataFromJson({ name, type, shape }: TensorSignature, data: unknown): TensorData {
  if (!Array.isArray(data)) throw refuse(`input "${name}" has no "data" array, and no parameters.binary_data_size either`);
  const values = data.some(Array.isArray) ? flatten(name, data, shape) : data;
  if (values.length !== elementsOf(shape))
    throw refuse(
      `input "${name}" came with ${values.length} values, expected ${elementsOf(shape)} for shape [${shape.join(',')}]`,
    );
  return typed(name, type, values);
}

function flatten(name: string, data: readonly unknown[], shape: readonly number[]): unknown[] {
  const values: unknown[] = [];
  const walk = (node: unknown, depth: number): void => {
    if (depth === shape.length) {
      values.push(node);
      return;
    }
    if (!Array.isArray(node) || node.length !== shape[depth])
      throw refuse(`input "${name}": its nested data does not have shape [${shape.join(',')}] at depth ${depth}`);
    for (const item of node as unknown[]) walk(item, depth + 1);
  };
  walk(data, 0);
  return values;
}

function typed(name: string, type: Datatype, values: readonly unknown[]): TensorData {
  const data = emptyData(type, values.length);
  const read = readers[type];
  const target = type === 'FP16' ? new Float16Array((data as Uint16Array<ArrayBuffer>).buffer) : data;
  for (let i = 0; i < values.length; i++) {
    const value = read(values[i]);
    if (value === undefined)
      throw refuse(
        `input "${name}": data[${i}] is ${shown(values[i])}, which is no ${type}${type === 'BYTES' ? ' (UTF-8 text without NUL)' : ''}`,
      );
    target[i] = value as never;
  }
  return data;
}

const shown = (value: unknown) => JSON.stringify(value)?.slice(0, 60);

type Reader = (value: unknown) => number | bigint | string | undefined;
const integer =
  (min: number, max: number): Reader =>
  (value) =>
    Number.isInteger(value) && (value as number) >= min && (value as number) <= max ? (value as number) : undefined;
/** A JSON number beyond 2^53 has lost its last digits before anyone could read them. */
const bigInteger =
  (min: number): Reader =>
  (value) =>
    Number.isSafeInteger(value) && (value as number) >= min ? BigInt(value as number) : undefined;
const float =
  (max: number): Reader =>
  (value) =>
    typeof value === 'number' && Math.abs(value) <= max ? value : undefined;

const readers: Readonly<Record<Datatype, Reader>> = {
  BOOL: (value) => (typeof value === 'boolean' ? Number(value) : undefined),
  UINT8: integer(0, 2 ** 8 - 1),
  UINT16: integer(0, 2 ** 16 - 1),
  UINT32: integer(0, 2 ** 32 - 1),
  UINT64: bigInteger(0),
  INT8: integer(-(2 ** 7), 2 ** 7 - 1),
  INT16: integer(-(2 ** 15), 2 ** 15 - 1),
  INT32: integer(-(2 ** 31), 2 ** 31 - 1),
  INT64: bigInteger(Number.MIN_SAFE_INTEGER),
  FP16: float(65504),
  FP32: float(3.4028234663852886e38),
  FP64: float(Number.MAX_VALUE),
  BYTES: (value) => (typeof value === 'string' && value.isWellFormed() && !value.includes('\0') ? value : undefined),
};

const askForBinary = 'ask for this output with "parameters": {"binary_data": true}';

/**
 * Throws where JSON can't carry a value: NaN and infinity have no form in it and are the model's fault; integers beyond 2^53 would come
 * out altered, and only the form that was asked for is at fault.
 */
export function tensorToJson(tensor: Tensor, instead = askForBinary): JsonTensor {
  const { name, type, shape } = tensor;
  const bad = firstNonFinite(tensor);
  if (bad >= 0) throw new Error(`the output ${name} holds NaN or infinity at index ${bad}, which JSON can't carry; ${instead}`);
  return { name, datatype: type, shape, data: plain(tensor, instead) };
}

function plain(tensor: Tensor, instead: string): JsonTensor['data'] {
  const { data } = tensor;
  if (Array.isArray(data)) return data;
  if (tensor.type === 'BOOL') return Array.from(data as Uint8Array, (value) => value !== 0);
  if (tensor.type === 'FP16')
    return Array.from(new Float16Array((data as Uint16Array<ArrayBuffer>).buffer, data.byteOffset, data.length));
  if (data instanceof BigInt64Array || data instanceof BigUint64Array)
    return Array.from(data as Iterable<bigint>, (value) => safe(tensor, value, instead));
  return Array.from(data);
}

function safe(tensor: Tensor, value: bigint, instead: string): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number))
    throw refuse(`the output ${describeTensor(tensor)} holds ${value}, beyond what JSON carries exactly; ${instead}`);
  return number;
}
