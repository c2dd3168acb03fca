import { describe, expect, it } from 'vitest';
import { estimate, quantile } from './statistics.js';

const upTo = (n: number) => Array.from({ length: n }, (_, i) => n - i);

describe('estimate', () => {
  // Ranks from the table of the sign test at 5 %, two-sided.
  it.each([
    [5, [1, 5]],
    [6, [1, 6]],
    [9, [2, 8]],
    [15, [4, 12]],
    [20, [6, 15]],
  ])('of %i values takes the order statistics %j', (n, interval) => {
    expect(estimate(upTo(n))).toEqual({ median: (n + 1) / 2, interval });
  });
});

describe('quantile', () => {
  it('takes the value that so many are below', () => {
    expect([quantile(upTo(100), 0.5), quantile(upTo(100), 0.99), quantile([7], 0.99)]).toEqual([51, 100, 7]);
  });

  it('has no answer where nothing was measured', () => {
    expect(() => quantile([], 0.5)).toThrow('no values were measured');
  });
});
