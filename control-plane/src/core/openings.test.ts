import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { allOf, always, anyOf, isOpen, outside, type Openings, type Span } from './openings.js';

/** Each day from this hour for so many; hours since the first midnight. */
const daily =
  (hour: number, hours: number): Openings =>
  (at) => {
    const day = Math.floor((at - hour - hours) / 24) + 1;
    return { from: day * 24 + hour, to: day * 24 + hour + hours };
  };
const once =
  (from: number, to: number): Openings =>
  (at) =>
    at < to ? { from, to } : undefined;

describe('windows', () => {
  it.each<[string, Openings, number, Span | undefined]>([
    ['are open in between', daily(22, 6), 25, { from: 22, to: 28 }],
    ['open next', daily(22, 6), 28, { from: 46, to: 52 }],
    ['any of which will do', anyOf([daily(6, 2), daily(22, 2)]), 9, { from: 22, to: 24 }],
    ['that overlap are one', anyOf([daily(6, 4), daily(8, 4), daily(20, 1)]), 1, { from: 6, to: 12 }],
    ['none of which comes', anyOf([once(1, 2)]), 3, undefined],
    ['all of which must be open', allOf([daily(6, 6), daily(8, 6)]), 0, { from: 8, to: 12 }],
    ['that meet on another day', allOf([daily(6, 2), once(100, 130)]), 0, { from: 102, to: 104 }],
    ['that never meet', allOf([daily(6, 2), daily(8, 2)]), 0, undefined],
    ['one of which comes no more', allOf([daily(6, 2), once(1, 2)]), 3, undefined],
    ['of nobody', allOf([]), 5, { from: -Infinity, to: Infinity }],
    ['that are always open', always, 5, { from: -Infinity, to: Infinity }],
    ['before a blackout', outside([{ from: 10, to: 20 }]), 5, { from: -Infinity, to: 10 }],
    ['in a blackout', outside([{ from: 10, to: 20 }]), 12, { from: 20, to: Infinity }],
    [
      'between blackouts',
      outside([
        { from: 30, to: 40 },
        { from: 10, to: 20 },
      ]),
      20,
      { from: 20, to: 30 },
    ],
    [
      'in blackouts that overlap',
      outside([
        { from: 10, to: 20 },
        { from: 15, to: 17 },
        { from: 18, to: 25 },
      ]),
      11,
      { from: 25, to: Infinity },
    ],
    ['with a blackout in them', allOf([daily(22, 6), outside([{ from: 23, to: 24 }])]), 23, { from: 24, to: 28 }],
  ])('%s', (_name, openings, at, expected) => expect(openings(at)).toEqual(expected));

  it('open exactly when they say', () => {
    expect([21, 22, 27, 28].map((at) => isOpen(daily(22, 6), at))).toEqual([false, true, true, false]);
    expect(isOpen(once(1, 2), 3)).toBe(false);
  });
});

describe('whatever the windows', () => {
  const hour = fc.integer({ min: 0, max: 23 });
  const window = fc.tuple(hour, fc.integer({ min: 1, max: 12 })).map(([at, hours]) => daily(at, hours));
  const span = fc
    .tuple(fc.integer({ min: 0, max: 400 }), fc.integer({ min: 1, max: 60 }))
    .map(([from, hours]) => ({ from, to: from + hours }));
  const sources = fc.array(window, { minLength: 1, maxLength: 4 });
  const times = fc.integer({ min: 0, max: 500 });
  /** Hour by hour, as anybody would. */
  const open = (openings: Openings, at: number) => isOpen(openings, at);

  it('any and all and outside mean what they say at each hour', () =>
    fc.assert(
      fc.property(sources, fc.array(span, { maxLength: 4 }), times, (all, closed, at) => {
        expect(open(anyOf(all), at)).toBe(all.some((one) => open(one, at)));
        expect(open(allOf(all), at)).toBe(all.every((one) => open(one, at)));
        expect(open(outside(closed), at)).toBe(!closed.some(({ from, to }) => from <= at && at < to));
      }),
    ));
  it('a span that is told is open from its beginning to its end, and nothing before it is', () =>
    fc.assert(
      fc.property(sources, fc.array(span, { maxLength: 3 }), times, (all, closed, at) => {
        const openings = allOf([anyOf(all), outside(closed)]);
        const told = openings(at);
        if (!told) return;
        expect(told.to).toBeGreaterThan(at);
        for (let t = at; t < Math.min(told.to, at + 100); t++) expect(open(openings, t)).toBe(t >= told.from);
      }),
    ));
});
