/** A tensor as metadata describes it; −1 is a free dimension. */
export type Signature = { name: string; datatype: string; shape: number[] };

export const datatypes = [
  'BOOL',
  'UINT8',
  'UINT16',
  'UINT32',
  'UINT64',
  'INT8',
  'INT16',
  'INT32',
  'INT64',
  'FP16',
  'FP32',
  'FP64',
  'BYTES',
] as const;
export type Datatype = (typeof datatypes)[number];

export const isDatatype = (name: string): name is Datatype => (datatypes as readonly string[]).includes(name);
export const countOf = (shape: readonly number[]) => shape.reduce((product, dimension) => product * dimension, 1);

/** Free dimensions become `free`; an input's own shape may be set from outside, where a model takes only some. */
export const shapeOf = ({ shape }: Signature, free: number) => shape.map((dimension) => (dimension < 0 ? free : dimension));

/** Harmless values that any datatype holds, in its JSON form: small, exact in half precision, and not all the same. */
export function plainValues(datatype: string, count: number): unknown[] {
  return Array.from({ length: count }, (_, i) => {
    if (datatype === 'BOOL') return i % 2 === 1;
    if (datatype === 'BYTES') return String.fromCharCode(97 + (i % 26));
    return datatype.startsWith('FP') ? (i % 7) / 8 : i % 2;
  });
}

const safe = Number.MAX_SAFE_INTEGER;

/** The ends of each datatype's range, as far as JSON numbers carry them. */
export const extremes: Readonly<Record<Datatype, unknown[]>> = {
  BOOL: [true, false],
  UINT8: [0, 255],
  UINT16: [0, 65535],
  UINT32: [0, 2 ** 32 - 1],
  UINT64: [0, safe],
  INT8: [-128, 127],
  INT16: [-32768, 32767],
  INT32: [-(2 ** 31), 2 ** 31 - 1],
  INT64: [-safe, safe],
  FP16: [-0.25, 65504],
  FP32: [-0.25, Math.fround(3e38)],
  FP64: [-0.1, 1e300],
  BYTES: ['', 'ä 日本 🚢'],
};

/** What only bytes can carry, little-endian, elements of one datatype: NaN, infinities, 64 bits. */
export const onlyBytes: Readonly<Partial<Record<Datatype, Buffer[]>>> = {
  UINT64: [Buffer.from(new BigUint64Array([2n ** 64n - 1n]).buffer), Buffer.from(new BigUint64Array([2n ** 53n + 1n]).buffer)],
  INT64: [Buffer.from(new BigInt64Array([-(2n ** 63n)]).buffer), Buffer.from(new BigInt64Array([2n ** 53n + 1n]).buffer)],
  FP16: [Buffer.from([0x00, 0x7e]), Buffer.from([0x00, 0xfc])],
  FP32: [Buffer.from(new Float32Array([NaN]).buffer), Buffer.from(new Float32Array([-Infinity]).buffer)],
  FP64: [Buffer.from(new Float64Array([NaN]).buffer), Buffer.from(new Float64Array([Infinity]).buffer)],
};

const arrays = {
  UINT8: Uint8Array,
  UINT16: Uint16Array,
  UINT32: Uint32Array,
  INT8: Int8Array,
  INT16: Int16Array,
  INT32: Int32Array,
  FP16: Float16Array,
  FP32: Float32Array,
  FP64: Float64Array,
} as const;

/** Little-endian, row-major, no padding; each BYTES element after its length in four bytes. */
export function toBytes(datatype: Datatype, values: readonly unknown[]): Buffer {
  if (datatype === 'BYTES') return Buffer.concat((values as string[]).map(lengthed));
  if (datatype === 'BOOL') return Buffer.from(values.map(Number));
  if (datatype === 'UINT64') return Buffer.from(BigUint64Array.from(values as number[], BigInt).buffer);
  if (datatype === 'INT64') return Buffer.from(BigInt64Array.from(values as number[], BigInt).buffer);
  return Buffer.from(arrays[datatype].from(values as number[]).buffer);
}

export function lengthed(text: string): Buffer {
  const bytes = Buffer.from(text);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(bytes.length);
  return Buffer.concat([length, bytes]);
}

const widths: Readonly<Record<string, number>> = { BOOL: 1, INT64: 8, UINT64: 8 };

/** Bytes of one element; undefined for BYTES. */
export const widthOf = (datatype: Datatype): number | undefined =>
  datatype === 'BYTES' ? undefined : (widths[datatype] ?? arrays[datatype as keyof typeof arrays].BYTES_PER_ELEMENT);

/** The natural, multi-dimensional form of row-major values; a scalar stays flat. */
export function nested(values: readonly unknown[], shape: readonly number[]): unknown[] {
  if (shape.length < 2) return [...values];
  const rest = shape.slice(1);
  const size = countOf(rest);
  return Array.from({ length: shape[0]! }, (_, i) => nested(values.slice(i * size, (i + 1) * size), rest));
}

/** Equal but for the last bits of a float: threads may add in another order. */
export function alike(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((value, i) => same(value, b[i]));
}

function same(a: unknown, b: unknown): boolean {
  if (typeof a !== 'number' || typeof b !== 'number') return a === b;
  return Object.is(a, b) || Math.abs(a - b) <= 1e-5 * Math.max(1, Math.abs(a), Math.abs(b));
}
