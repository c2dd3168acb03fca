import { type Tensor, describeTensor, numbersOf } from '@flotilla/agent/runner/tensor';

const [relative, absolute] = [1e-3, 1e-4];

/** Why the tensors differ; undefined where they agree in type, shape and every value. */
export function difference(actual: Tensor, expected: Tensor): string | undefined {
  const [came, wanted] = [describeTensor({ ...actual, name: expected.name }), describeTensor(expected)];
  if (came !== wanted) return `${came}, expected ${wanted}`;
  const [a, b] = [valuesOf(actual), valuesOf(expected)];
  for (let i = 0; i < b.length; i++) {
    if (!agree(a[i]!, b[i]!)) return `${wanted}: element ${i} is ${a[i]}, expected ${b[i]}`;
  }
  return undefined;
}

type Value = number | bigint | string;

function valuesOf({ data, ...tensor }: Tensor): ArrayLike<Value> {
  if (Array.isArray(data) || data instanceof BigInt64Array || data instanceof BigUint64Array) return data;
  return numbersOf({ ...tensor, data });
}

function agree(a: Value, b: Value): boolean {
  if (typeof a !== 'number' || typeof b !== 'number') return a === b;
  if (!Number.isFinite(b)) return Object.is(a, b);
  return Math.abs(a - b) <= absolute + relative * Math.abs(b);
}
