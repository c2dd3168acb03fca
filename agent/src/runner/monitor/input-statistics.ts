import type { InputStatistic } from '@flotilla/protocol/device';
import type { Tensor } from '../tensor.js';

/** More elements say little more of a picture, and cost every inference. */
const mostElements = 1024;

/** What is measured of every element together; `value` is of one. */
export type Measures = Readonly<Record<Exclude<InputStatistic, 'value'>, number>>;

/** Elements of the first row where the model takes rows, else of all. */
export function rowElements({ shape, data }: Pick<Tensor, 'shape' | 'data'>, takesRows: boolean): number {
  return takesRows && shape.length > 1 && shape[0]! > 0 ? data.length / shape[0]! : data.length;
}

/** The element there as a number; NaN for text and beyond the end. */
export function valueAt({ type, data }: Tensor, at: number): number {
  const value = data[at];
  if (value === undefined || typeof value === 'string') return NaN;
  if (type === 'FP16') return halfToNumber(value as number);
  return Number(value);
}

/** Over evenly spread elements of the first `elements`, always the same ones. NaN where no number is among them. */
export function measure(tensor: Tensor, elements: number): Measures {
  const neighbour = neighbourOf(tensor);
  const values = sampled(tensor, elements, neighbour);
  const { count, mean, deviation, least, greatest, detail } = summed(values);
  let extreme = 0;
  for (let i = 0; i < values.length; i += 2) if (values[i] === least || values[i] === greatest) extreme += 1;
  return { mean, deviation, detail, extreme: extreme / count, missing: 1 - (2 * count) / values.length };
}

/** Pairs of an element and its neighbour, one after the other. */
const buffer = new Float64Array(2 * mostElements);

function sampled(tensor: Tensor, elements: number, neighbour: number): Float64Array {
  // Odd, so that it meets every column and channel of a picture in turn.
  const step = elements <= mostElements ? 1 : Math.ceil(elements / mostElements) | 1;
  const { data } = tensor;
  let filled = 0;
  if (data instanceof Float32Array || data instanceof Uint8Array) {
    for (let i = 0; i < elements; i += step) {
      buffer[filled++] = data[i]!;
      buffer[filled++] = i + neighbour < elements ? data[i + neighbour]! : NaN;
    }
  } else {
    for (let i = 0; i < elements; i += step) {
      buffer[filled++] = valueAt(tensor, i);
      buffer[filled++] = i + neighbour < elements ? valueAt(tensor, i + neighbour) : NaN;
    }
  }
  return buffer.subarray(0, filled);
}

function summed(values: Float64Array) {
  let [count, sum, least, greatest, pairs, differences] = [0, 0, Infinity, -Infinity, 0, 0];
  for (let i = 0; i < values.length; i += 2) {
    const value = values[i]!;
    if (!Number.isFinite(value)) continue;
    count += 1;
    sum += value;
    if (value < least) least = value;
    if (value > greatest) greatest = value;
    const next = values[i + 1]!;
    if (!Number.isFinite(next)) continue;
    pairs += 1;
    differences += Math.abs(next - value);
  }
  const mean = sum / count;
  return { count, mean, deviation: deviationFrom(values, mean, count), least, greatest, detail: differences / pairs };
}

/** In a second pass: the difference of two great sums would be no small number that can be trusted. */
function deviationFrom(values: Float64Array, mean: number, count: number): number {
  let squares = 0;
  for (let i = 0; i < values.length; i += 2) {
    const value = values[i]!;
    if (Number.isFinite(value)) squares += (value - mean) ** 2;
  }
  return Math.sqrt(squares / count);
}

/** Channels that come last lie between an element and the one beside it. */
function neighbourOf({ shape }: Tensor): number {
  const last = shape.at(-1) ?? 1;
  return shape.length > 2 && last <= 4 ? last : 1;
}

const half = new Float16Array(1);
const bits = new Uint16Array(half.buffer);
function halfToNumber(value: number): number {
  bits[0] = value;
  return half[0]!;
}
