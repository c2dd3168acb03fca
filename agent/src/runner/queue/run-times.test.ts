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

test('the margin is none where runs are alike, follows those that take longer, and is bounded by the mean', () => {
  const [steady, wild, stalled] = [new RunTimes(), new RunTimes(), new RunTimes()];
  for (let i = 0; i < 40; i++) {
    steady.learn(1, 10);
    wild.learn(1, i % 10 ? 10 : 20);
  }
  expect(steady.cautiousMs(1)).toBe(10);
  expect(wild.cautiousMs(1) - wild.expectedMs(1)).toBeGreaterThan(5);
  for (const ms of [10, 5000, 10]) stalled.learn(1, ms);
  expect(stalled.cautiousMs(1)).toBeLessThanOrEqual(4 * stalled.expectedMs(1));
});
