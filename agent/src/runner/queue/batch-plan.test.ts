import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Member, planNext, rowsOf } from './batch-plan.js';

type Named = Member & { name: string };
const member = (name: string, overrides: Partial<Member> = {}): Named => ({
  name,
  key: 'a',
  rows: 1,
  since: 0,
  deadline: Infinity,
  ...overrides,
});
/** A fixed part, and one for each row. */
const expectedMs = (rows: number) => 10 + rows;
const situation = { maxRows: 4, delayMs: 0, now: 100, expectedMs };
const names = (members: readonly Named[]) => members.map(({ name }) => name).join('');

describe('what is planned', () => {
  test.each<[string, Named[], string]>([
    ['as many as fit', [member('a'), member('b'), member('c'), member('d'), member('e')], 'abcd'],
    ['only of the first one’s kind', [member('a'), member('b', { key: 'other' }), member('c')], 'ac'],
    [
      'whole requests, and a smaller one where a larger does not fit',
      [member('a', { rows: 3 }), member('b', { rows: 2 }), member('c')],
      'ac',
    ],
    ['alone what has no key', [member('a', { key: undefined }), member('b', { key: undefined })], 'a'],
    ['alone what is larger than a batch', [member('a', { rows: 9 }), member('b')], 'a'],
    ['without those whose coming would make another late', [member('a', { deadline: 111 }), member('b')], 'a'],
    ['without those that would be late in it, though not alone', [member('a'), member('b', { deadline: 111 })], 'a'],
  ])('%s', (_what, waiting, batch) => {
    expect(names(planNext(waiting, situation).batch)).toBe(batch);
  });

  test('who would be late even alone is told so when its turn comes, not before', () => {
    const late = member('a', { deadline: 110 });
    expect(planNext([late, member('b')], situation)).toMatchObject({ late: [late], batch: [{ name: 'b' }] });
    expect(planNext([member('b'), late], situation)).toMatchObject({ late: [], batch: [{ name: 'b' }] });
    expect(planNext([late], situation)).toEqual({ late: [late], batch: [] });
  });
});

describe('a delay', () => {
  const patient = { ...situation, delayMs: 5 };
  test.each<[string, Named[], number | undefined]>([
    ['is counted from the oldest’s coming', [member('a', { since: 98 }), member('b', { since: 99 })], 103],
    ['is over at some time', [member('a', { since: 95 })], undefined],
    ['is not for a full batch', [member('a', { since: 98, rows: 4 })], undefined],
    ['is not for what goes alone', [member('a', { since: 98, key: undefined })], undefined],
    ['does not make anyone late', [member('a', { since: 99, deadline: 116 })], 102],
    ['does not hold up others behind it', [member('a', { since: 99 }), member('b', { since: 99, key: 'other' })], undefined],
  ])('%s', (_what, waiting, until) => {
    const plan = planNext(waiting, patient);
    expect(plan.holdUntil).toBe(until);
    expect(plan.batch.length > 0).toBe(until === undefined);
  });
});

const aMember = fc.record({
  key: fc.constantFrom('a', 'b', undefined),
  rows: fc.integer({ min: 1, max: 6 }),
  since: fc.integer({ min: 80, max: 100 }),
  deadline: fc.oneof(fc.constant(Infinity), fc.integer({ min: 90, max: 160 })),
});
const line = fc.array(aMember, { maxLength: 30 }).map((members) => members.map((each, i): Named => ({ ...each, name: `${i}` })));
const aSituation = fc.record({
  maxRows: fc.integer({ min: 1, max: 8 }),
  delayMs: fc.integer({ min: 0, max: 20 }),
  now: fc.constant(100),
  expectedMs: fc.constant(expectedMs),
});

test('whatever waits: nobody is lost, a batch is of one kind, in order, within its size, and in time for each of its members', () => {
  fc.assert(
    fc.property(line, aSituation, (waiting, at) => {
      const { late, batch, holdUntil } = planNext(waiting, at);
      const taken = new Set([...late, ...batch]);
      expect(taken.size).toBe(late.length + batch.length);
      const rest = waiting.filter((one) => !taken.has(one));
      // In the order in which they wait, and the first of them leads.
      expect(batch).toEqual(waiting.filter((one) => batch.includes(one)));
      expect(waiting.slice(0, late.length)).toEqual(late);
      if (batch.length > 0) expect(batch[0]).toBe(waiting[late.length]);
      // Something is done, or is to be done at a time to come, as long as somebody waits.
      if (rest.length > 0 && batch.length === 0) expect(holdUntil).toBeGreaterThan(at.now);
      expect(new Set(batch.map(({ key }) => key)).size).toBeLessThanOrEqual(1);
      if (batch.length > 1) {
        expect(batch[0]!.key).toBeDefined();
        expect(rowsOf(batch)).toBeLessThanOrEqual(at.maxRows);
      }
      const end = at.now + expectedMs(rowsOf(batch));
      for (const { deadline } of batch) expect(end).toBeLessThanOrEqual(deadline);
      for (const { deadline, rows } of late) expect(at.now + expectedMs(rows)).toBeGreaterThan(deadline);
    }),
  );
});

test('whatever waits is all answered or told that it is late, and no delay is longer than it may be', () => {
  fc.assert(
    fc.property(line, aSituation, (waiting, at) => {
      let [left, now, holds]: [Named[], number, number] = [waiting, at.now, 0];
      const seen: Named[] = [];
      while (left.length > 0) {
        const { late, batch, holdUntil } = planNext(left, { ...at, now });
        const taken = [...late, ...batch];
        seen.push(...taken);
        left = left.filter((one) => !taken.includes(one));
        if (batch.length === 0 && left.length > 0) {
          holds += 1;
          expect(holdUntil).toBeLessThanOrEqual(Math.min(...left.map(({ since }) => since)) + at.delayMs);
        }
        now = holdUntil ?? now + expectedMs(rowsOf(batch));
      }
      expect(seen.toSorted((a, b) => Number(a.name) - Number(b.name))).toEqual(waiting);
      expect(holds).toBeLessThanOrEqual(1 + waiting.length);
    }),
  );
});
