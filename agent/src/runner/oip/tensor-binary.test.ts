import { expect, test } from 'vitest';
import { dataFromBinary } from './tensor-binary.js';

const two = { name: 'x', type: 'FP64' as const, shape: [2] };
const values = Float64Array.of(1.5, -2.5);

/** The two values at an offset of a buffer of their own. */
function at(offset: number): Buffer {
  const binary = Buffer.from(new ArrayBuffer(64)).subarray(offset, offset + 16);
  binary.set(new Uint8Array(values.buffer));
  return binary;
}

test.each([
  ['is ours and aligned', 8, true, true],
  ['is ours and lies across', 9, true, false],
  ['is not ours', 8, false, false],
])('data in a buffer that %s', (_name, offset, ours, shared) => {
  const binary = at(offset);
  const data = dataFromBinary(two, binary, ours) as Float64Array;
  expect(data).toEqual(values);
  expect(data.buffer === binary.buffer).toBe(shared);
});
