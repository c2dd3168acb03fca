import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Backlog } from './backlog.js';

it('keeps the newest within its bounds, in order, and counts what it gave up', () => {
  const backlog = new Backlog<number>({ count: 3, bytes: 100 });
  for (const n of [1, 2, 3, 4]) backlog.push(n, 10);
  expect([backlog.peek(), backlog.length, backlog.dropped]).toEqual([2, 3, 1]);
  backlog.push(5, 95);
  expect([backlog.shift(), backlog.shift(), backlog.dropped, backlog.bytes]).toEqual([5, undefined, 4, 0]);
});

it('gives out or gives up each one exactly once, oldest first', () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.integer({ min: 1, max: 60 }), fc.constant('shift' as const)), { maxLength: 5000 }),
      (steps) => {
        const backlog = new Backlog<number>({ count: 50, bytes: 1000 });
        let given = 0;
        let out = 0;
        let last = 0;
        for (const step of steps) {
          if (step !== 'shift') backlog.push(++given, step);
          else {
            const item = backlog.shift();
            if (item !== undefined) out += 1;
            expect(item ?? last + 1).toBeGreaterThan(last);
            last = item ?? last;
          }
          expect(backlog.length).toBeLessThanOrEqual(50);
        }
        expect(out + backlog.length + backlog.dropped).toBe(given);
      },
    ),
    { numRuns: 50 },
  );
});
