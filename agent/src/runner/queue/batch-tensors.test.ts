import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Datatype } from '@flotilla/protocol/device';
import { groupingOf, joined, parted } from './batch-tensors.js';
import { type Tensor, elementsOf, emptyData } from '../tensor.js';

const tensor = (type: Datatype, shape: number[], name = 'x'): Tensor => ({
  name,
  type,
  shape,
  data: emptyData(type, elementsOf(shape)),
});

test('what may be computed together: equal types and shapes but for the rows', () => {
  const key = (...inputs: Tensor[]) => groupingOf(inputs).key;
  expect(groupingOf([tensor('FP32', [3, 8])])).toEqual({ key: 'FP32[8]', rows: 3 });
  expect(key(tensor('FP32', [3, 8]))).toBe(key(tensor('FP32', [1, 8])));
  expect(key(tensor('FP32', [3, 8]))).not.toBe(key(tensor('FP32', [3, 4, 2])));
  expect(key(tensor('FP32', [3, 8]))).not.toBe(key(tensor('FP64', [3, 8])));
  expect(key(tensor('FP32', [2, 8]), tensor('INT8', [2]))).toBe('FP32[8],INT8[]');
});

test.each<[string, Tensor[]]>([
  ['text', [tensor('BYTES', [2, 1])]],
  ['inputs of unequal rows', [tensor('FP32', [2, 8]), tensor('FP32', [1, 8])]],
  ['a scalar', [tensor('FP32', [])]],
  ['no rows at all', [tensor('FP32', [0, 8])]],
])('%s goes alone', (_what, inputs) => {
  expect(groupingOf(inputs).key).toBeUndefined();
});

const types = ['BOOL', 'UINT8', 'INT16', 'FP16', 'FP32', 'FP64', 'INT64', 'UINT64'] as const;
test('what is joined comes apart as it was, whatever its type', () => {
  const rows = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(fc.constantFrom(...types), rows, fc.integer({ min: 1, max: 4 }), (type, sizes, width) => {
      let next = 0;
      const members = sizes.map((size) => {
        const one = tensor(type, [size, width]);
        for (let i = 0; i < one.data.length; i++)
          one.data[i] = (typeof one.data[0] === 'bigint' ? BigInt(next++) : next++) as never;
        return [one, tensor('UINT8', [size], 'y')];
      });
      const whole = joined(members);
      expect(whole.map(({ shape }) => shape)).toEqual([[rowsIn(sizes), width], [rowsIn(sizes)]]);
      const parts = parted(whole, sizes);
      expect(parts).toEqual(members);
      expect(
        parts.every(([part]) => !Array.isArray(part!.data) && part!.data.buffer === (whole[0]!.data as Float32Array).buffer),
      ).toBe(true);
    }),
  );
});
const rowsIn = (sizes: readonly number[]) => sizes.reduce((sum, size) => sum + size, 0);

test('text in an answer comes apart too', () => {
  const texts: Tensor = { name: 'label', type: 'BYTES', shape: [3, 1], data: ['a', 'b', 'c'] };
  expect(parted([texts], [1, 2]).map(([part]) => part!.data)).toEqual([['a'], ['b', 'c']]);
});

test('an answer that has not a row for each that was asked can not be given to anyone', () => {
  expect(() => parted([tensor('FP32', [1, 3], 'scores')], [1, 1])).toThrow(
    'the output scores came with shape [1,3] for a batch of 2 rows',
  );
});
