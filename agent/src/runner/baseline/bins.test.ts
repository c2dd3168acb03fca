import { InputHistogram } from '@flotilla/protocol/device';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { binned } from './bins.js';

const asHistogram = (bins: object) => InputHistogram.safeParse({ input: 'x', statistic: 'mean', ...bins }).success;

test('every number lies in one of the inner bins, whatever they are', () => {
  const values = fc.array(fc.double({ min: -1e30, max: 1e30, noNaN: true }), { minLength: 1, maxLength: 200 });
  fc.assert(
    fc.property(values, (all) => {
      const bins = binned(all)!;
      expect(asHistogram(bins)).toBe(true);
      expect(bins.counts.length).toBeLessThanOrEqual(12);
      expect(bins.counts.reduce((sum, count) => sum + count, 0)).toBe(all.length);
      expect([bins.counts[0], bins.counts.at(-1)]).toEqual([0, 0]);
    }),
  );
});

test('of different values each inner bin has its tenth', () => {
  const { counts } = binned(Array.from({ length: 1000 }, (_, i) => (i * 7919) % 1000))!;
  expect(counts).toEqual([0, ...Array.from({ length: 10 }, () => 100), 0]);
});

test.each([
  ['a constant', [3, 3, 3], [2.97, 3, 3.03], [0, 0, 3, 0]],
  ['zeros', [0, 0], [-1e-6, 0, 1e-6], [0, 0, 2, 0]],
  ['two values', [0, 1, 1, 1], [-0.05, 0, 1, 1.05], [0, 0, 1, 3, 0]],
])('%s are few bins', (_what, values, edges, counts) => expect(binned(values)).toEqual({ edges, counts }));

test('what is no number is in none', () => {
  expect(binned([NaN, Infinity])).toBeUndefined();
  expect(binned([NaN, 1, 2])!.counts.reduce((sum, count) => sum + count, 0)).toBe(2);
});
