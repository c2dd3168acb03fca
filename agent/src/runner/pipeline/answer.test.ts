import fc from 'fast-check';
import { expect, test } from 'vitest';
import { argmax, cosine, softmax, topK } from './answer.js';
import { openNormalise } from './preprocess/normalise.js';
import type { Made } from './stages.js';

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
  const normalised = (colour: 'rgb' | 'bgr', layout: 'NCHW' | 'NHWC') => {
    const pixels = {
      kind: 'pixels' as const,
      data: Uint8Array.of(10, 20, 30, 40, 50, 60),
      width: 2,
      height: 1,
      channels: 3 as const,
    };
    const view = { scaleX: 1, scaleY: 1, shiftX: 0, shiftY: 0, width: 2, height: 1 };
    const step = openNormalise({ mean: [10, 20, 30], std: [1, 2, 3], layout });
    return [...((step({ ...pixels, colour, view }) as Made).data as Float32Array)];
  };
  expect(normalised('rgb', 'NCHW')).toEqual([0, 30, 0, 15, 0, 10]);
  expect(normalised('rgb', 'NHWC')).toEqual([0, 0, 0, 30, 15, 10]);
  expect(normalised('bgr', 'NHWC')).toEqual([20, 0, Math.fround(-20 / 3), 50, 15, Math.fround(10 / 3)]);
});
