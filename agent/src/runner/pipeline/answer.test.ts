import fc from 'fast-check';
import { expect, test } from 'vitest';
import { argmax, cosine, softmax, topK } from './answer.js';
import { normalise } from './preprocess/normalise.js';

const scores = fc.array(fc.float({ noNaN: true, noDefaultInfinity: true }), { minLength: 1, maxLength: 50 });

test('softmax sums to one and keeps the order, however large the values', () => {
  fc.assert(
    fc.property(scores, (values) => {
      const shares = softmax(values);
      expect(shares.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 6);
      expect(shares[argmax(values)]).toBe(Math.max(...shares));
    }),
  );
});

test('top-k is the head of the sorted scores', () => {
  fc.assert(
    fc.property(scores, fc.integer({ min: 1, max: 60 }), (values, k) => {
      const top = topK(values, k, []);
      expect(top.map(({ score }) => score)).toEqual(values.toSorted((a, b) => b - a).slice(0, k));
      expect(top[0]!.index).toBe(argmax(values));
    }),
  );
});

test('of equal scores the lower index comes first', () => {
  expect(topK([1, 2, 2], 2, ['a', 'b', 'c'])).toEqual([
    { label: 'b', index: 1, score: 2 },
    { label: 'c', index: 2, score: 2 },
  ]);
});

test('cosine knows direction, not length', () => {
  expect(cosine([1, 2, 3], [2, 4, 6])).toBeCloseTo(1);
  expect(cosine([1, 0], [0, 1])).toBe(0);
  expect(cosine([1, 0], [-1, 0])).toBe(-1);
  expect(cosine([0, 0], [1, 1])).toBe(0);
});

test('pixels are normalised per channel, in planes or interleaved, in either order of colours', () => {
  const pixels = (colour: 'rgb' | 'bgr') => ({ data: Uint8Array.of(10, 20, 30, 40, 50, 60), channels: 3 as const, colour });
  const scale = { mean: [10, 20, 30], std: [1, 2, 3] } as { mean: [number, number, number]; std: [number, number, number] };
  expect([...normalise(pixels('rgb'), { ...scale, layout: 'NCHW' })]).toEqual([0, 30, 0, 15, 0, 10]);
  expect([...normalise(pixels('rgb'), { ...scale, layout: 'NHWC' })]).toEqual([0, 0, 0, 30, 15, 10]);
  expect([...normalise(pixels('bgr'), { ...scale, layout: 'NHWC' })]).toEqual([
    20,
    0,
    Math.fround(-20 / 3),
    50,
    15,
    Math.fround(10 / 3),
  ]);
});
