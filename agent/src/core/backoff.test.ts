import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { backoffMs, ceilingMs } from './backoff.js';

const backoff = { baseMs: 100, capMs: 1000 };

describe('a backoff', () => {
  it.each([
    [0, 100],
    [1, 200],
    [3, 800],
    [4, 1000],
    [5000, 1000],
  ])('after %i failures waits at most %i ms', (attempt, ceiling) => expect(ceilingMs(attempt, backoff)).toBe(ceiling));

  it('takes any moment below its ceiling', () =>
    fc.assert(
      fc.property(fc.nat(100), fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (attempt, random) => {
        const ms = backoffMs(attempt, backoff, random);
        expect(ms).toBeGreaterThanOrEqual(0);
        expect(ms).toBeLessThan(ceilingMs(attempt, backoff));
        expect(backoffMs(attempt, backoff, 0.5)).toBe(ceilingMs(attempt, backoff) / 2);
      }),
    ));
});
