import fc from 'fast-check';
import { expect, test } from 'vitest';
import { shareThreads } from './thread-budget.js';

test.each([
  [1, { a: 1 }, { a: { workers: 1, intraOpThreads: 1 } }],
  [3, { a: 1 }, { a: { workers: 1, intraOpThreads: 3 } }],
  [7, { a: 3 }, { a: { workers: 3, intraOpThreads: 2 } }],
  [7, { a: 1, b: 2 }, { a: { workers: 1, intraOpThreads: 2 }, b: { workers: 2, intraOpThreads: 2 } }],
  // Nobody asked for more than a runner's least.
  [1, { a: 1, b: 1 }, { a: { workers: 1, intraOpThreads: 1 }, b: { workers: 1, intraOpThreads: 1 } }],
  [3, {}, {}],
])('%i threads for %j', (threads, asked, shares) => {
  expect(shareThreads(threads, asked as Record<string, number>)).toEqual({ shares });
});

test('more workers than threads are refused, and which slot to change is told', () => {
  expect(shareThreads(3, { a: 1, b: 4 })).toEqual({
    refused: 'slots.b.workers: it asks for 4 workers, the others 1, and 3 threads are for inference here; set it lower.',
  });
  expect(shareThreads(1, { a: 2 })).toMatchObject({ refused: expect.stringContaining('1 thread is for inference here') });
});

test('what is granted never exceeds the threads, unless each slot has its one worker alone', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 64 }),
      fc.dictionary(fc.stringMatching(/^[a-z]{1,8}$/), fc.integer({ min: 1, max: 8 }), { maxKeys: 6 }),
      (threads, asked) => {
        const result = shareThreads(threads, asked);
        if ('refused' in result) return;
        const shares = Object.values(result.shares);
        const used = shares.reduce((sum, { workers, intraOpThreads }) => sum + workers * intraOpThreads, 0);
        expect(used <= threads || shares.every(({ workers, intraOpThreads }) => workers === 1 && intraOpThreads === 1)).toBe(
          true,
        );
      },
    ),
  );
});
