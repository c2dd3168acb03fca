import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { advance, closed, maxRanges, newCursor, type Arrival, type StreamCursor } from './stream-cursor.js';

const arrival = (seq0: number, n: number, more: Partial<Arrival> = {}): Arrival => ({
  base: 0,
  seq0,
  n,
  refusedSeqs: [],
  ...more,
});

/** Folds arrivals: the last cursor, and every sequence number that was ever called fresh. */
function receive(arrivals: readonly Arrival[], from: StreamCursor = newCursor) {
  let cursor = from;
  const fresh: number[] = [];
  for (const each of arrivals) {
    const step = advance(cursor, each);
    cursor = step.cursor;
    fresh.push(...step.fresh);
  }
  return { cursor, fresh };
}

describe('the cursor of a stream', () => {
  it('counts what had a number and never came as lost when the stream is closed, once', () => {
    const { cursor } = receive([arrival(0, 3), arrival(5, 2)]);
    expect(closed(cursor, 0)).toEqual({ upTo: 7, ranges: [], next: 7, lost: 2, refused: 0 });
    expect(closed(closed(cursor, 0), 10)).toEqual({ upTo: 10, ranges: [], next: 10, lost: 5, refused: 0 });
  });

  it('takes the first batch whole', () => {
    expect(advance(newCursor, arrival(0, 3))).toEqual({
      cursor: { upTo: 3, ranges: [], next: 3, lost: 0, refused: 0 },
      fresh: [0, 1, 2],
    });
  });

  it('finds nothing new in a batch that comes again', () => {
    const once = receive([arrival(0, 3)]);
    expect(receive([arrival(0, 3), arrival(0, 3)])).toEqual(once);
  });

  it('keeps what comes ahead of a gap as a range, and closes the gap later', () => {
    const ahead = receive([arrival(5, 2), arrival(9, 1)]);
    expect(ahead.cursor).toMatchObject({ upTo: 0, ranges: [[5, 6], [9, 9]], next: 10 }); // prettier-ignore
    expect(receive([arrival(7, 2)], ahead.cursor).cursor.ranges).toEqual([[5, 9]]);
    expect(receive([arrival(0, 8)], ahead.cursor)).toEqual({
      cursor: { upTo: 8, ranges: [[9, 9]], next: 10, lost: 0, refused: 0 },
      fresh: [0, 1, 2, 3, 4, 7],
    });
  });

  it('counts as lost what lies below the base and never came', () => {
    const { cursor } = receive([arrival(0, 2), arrival(4, 2), arrival(10, 0, { base: 8 })]);
    expect(cursor).toEqual({ upTo: 8, ranges: [], next: 10, lost: 4, refused: 0 });
  });

  it('does not call lost what came in the message that names the base', () => {
    expect(receive([arrival(2, 3, { base: 5 })]).cursor).toMatchObject({ upTo: 5, lost: 2 });
  });

  it('ignores a base from an older message', () => {
    const { cursor } = receive([arrival(0, 9), arrival(9, 1, { base: 4 })]);
    expect(cursor).toMatchObject({ upTo: 10, lost: 0 });
  });

  it('counts a refused record once, and has it resolved', () => {
    const refusing = arrival(0, 3, { refusedSeqs: [1] });
    expect(receive([refusing, refusing])).toMatchObject({ cursor: { upTo: 3, refused: 1 }, fresh: [0, 1, 2] });
  });

  it('leaves a run unresolved that would need one range too many, and takes it once there is room', () => {
    const full = receive(Array.from({ length: maxRanges }, (_, i) => arrival(2 * i + 1, 1)));
    expect(full.cursor.ranges).toHaveLength(maxRanges);
    const far = advance(full.cursor, arrival(5000, 2));
    expect(far).toMatchObject({ fresh: [], cursor: { ranges: full.cursor.ranges, next: 5002 } });
    const closing = receive([arrival(0, 1), arrival(5000, 2)], far.cursor);
    expect(closing).toMatchObject({ fresh: [0, 5000, 5001], cursor: { upTo: 2 } });
  });

  it('still counts what is lost while it leaves a run unresolved', () => {
    const full = receive(Array.from({ length: maxRanges }, (_, i) => arrival(2 * i + 1, 1)));
    expect(advance(full.cursor, arrival(5000, 2, { base: 3 }))).toMatchObject({ fresh: [], cursor: { upTo: 4, lost: 2 } });
  });
});

const arrivals = fc.array(
  fc.record({ seq0: fc.nat(60), n: fc.nat(8), base: fc.nat(60), bad: fc.nat(70) }).map(({ seq0, n, base, bad }) => ({
    ...arrival(seq0, n, { base }),
    refusedSeqs: bad >= seq0 && bad < seq0 + n ? [bad] : [],
  })),
  { maxLength: 60 },
);

describe('the cursor of a stream, whatever comes in whatever order', () => {
  it('calls each record fresh at most once, and every one is resolved: fresh or lost', () => {
    fc.assert(
      fc.property(arrivals, (all) => {
        const { cursor, fresh } = receive(all);
        const above = cursor.ranges.reduce((sum, [from, to]) => sum + to - from + 1, 0);
        expect(new Set(fresh).size).toBe(fresh.length);
        expect(fresh.length + cursor.lost).toBe(cursor.upTo + above);
      }),
    );
  });

  it('takes everything that any batch held, unless the base had given it up before', () => {
    fc.assert(
      fc.property(arrivals, (all) => {
        const withoutBase = all.map((a) => ({ ...a, base: 0 }));
        const sent = new Set(withoutBase.flatMap((a) => Array.from({ length: a.n }, (_, i) => a.seq0 + i)));
        expect(new Set(receive(withoutBase).fresh)).toEqual(sent);
      }),
    );
  });

  it('never goes back, and keeps its ranges apart, ascending and above upTo', () => {
    fc.assert(
      fc.property(arrivals, (all) => {
        let cursor = newCursor;
        for (const each of all) {
          const step = advance(cursor, each).cursor;
          expect(step.upTo).toBeGreaterThanOrEqual(cursor.upTo);
          expect(step.next).toBeGreaterThanOrEqual(step.ranges.at(-1)?.[1] ?? step.upTo);
          let end = step.upTo - 1;
          for (const [from, to] of step.ranges) {
            expect(from).toBeGreaterThan(end + 1);
            expect(to).toBeGreaterThanOrEqual(from);
            end = to;
          }
          cursor = step;
        }
      }),
    );
  });
});
