import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Backlog } from './backlog.js';

/** A fixed part, and one for each row. */
const expectedMs = (rows: number) => 10 + rows;
const four = { maxRows: 4 };
const member = (key: string | undefined, rows = 1, priority = 2) => ({ key, rows, priority });

test('the work of those that wait is counted in batches, kind by kind, whatever their priority', () => {
  const backlog = new Backlog();
  for (const priority of [1, 1, 2, 2, 3, 3]) backlog.add(member('a', 1, priority));
  expect(backlog.workMs(3, four, expectedMs)).toBe(14 + 12);
  expect(backlog.workMs(2, four, expectedMs)).toBe(14);
  expect(backlog.workMs(1, four, expectedMs)).toBe(12);
  backlog.add(member('b'));
  backlog.add(member(undefined, 7));
  backlog.add(member(undefined, 7));
  expect(backlog.workMs(3, four, expectedMs)).toBe(14 + 12 + 11 + 2 * 17);
});

test('what came and went leaves nothing', () => {
  const members = fc.array(
    fc.record({
      key: fc.constantFrom('a', 'b', undefined),
      rows: fc.integer({ min: 1, max: 9 }),
      priority: fc.constantFrom(1, 2, 3),
    }),
  );
  fc.assert(
    fc.property(members, members, (stay, go) => {
      const [some, only] = [new Backlog(), new Backlog()];
      for (const one of [...stay, ...go]) some.add(one);
      for (const one of go) some.remove(one);
      for (const one of stay) only.add(one);
      for (const priority of [1, 2, 3])
        expect(some.workMs(priority, four, expectedMs)).toBe(only.workMs(priority, four, expectedMs));
    }),
  );
});
