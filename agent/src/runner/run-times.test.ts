import fc from 'fast-check';
import { expect, test } from 'vitest';
import { RunTimes } from './run-times.js';

test('nothing is known at first; then a size is estimated by itself, by a larger one, or in proportion to a smaller one', () => {
  const times = new RunTimes();
  expect(times.expectedMs(4)).toBe(0);
  times.learn(4, 8);
  expect([1, 2, 4, 8, 16].map((rows) => times.expectedMs(rows))).toEqual([8, 8, 8, 16, 32]);
  times.learn(1, 3);
  expect([1, 2, 4].map((rows) => times.expectedMs(rows))).toEqual([3, 8, 8]);
});

test('it follows what it sees', () => {
  const times = new RunTimes();
  times.learn(1, 10);
  for (let i = 0; i < 30; i++) times.learn(1, 20);
  expect(times.expectedMs(1)).toBeCloseTo(20, 1);
});

test('a stall at one size is forgotten by what other sizes take', () => {
  const times = new RunTimes();
  times.learn(8, 5000);
  times.learn(1, 2);
  expect(times.expectedMs(8)).toBe(16);
  times.learn(1, 9000);
  times.learn(8, 10);
  expect(times.expectedMs(1)).toBeLessThanOrEqual(16);
});

test('more rows are never expected to take less', () => {
  const runs = fc.array(fc.tuple(fc.integer({ min: 1, max: 64 }), fc.integer({ min: 1, max: 1000 })), { minLength: 1 });
  fc.assert(
    fc.property(runs, (seen) => {
      const times = new RunTimes();
      for (const [rows, ms] of seen) times.learn(rows, ms);
      const expected = Array.from({ length: 64 }, (_, i) => times.expectedMs(i + 1));
      expect(expected).toEqual(expected.toSorted((a, b) => a - b));
    }),
  );
});
