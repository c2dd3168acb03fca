import type { SeqRange } from '@flotilla/protocol';

/**
 * What is known of one outbox (a stream). All below `upTo` is resolved; `ranges` are resolved runs above it: inclusive, ascending,
 * never touching each other. `next` is one above the highest sequence number seen.
 */
export type StreamCursor = Readonly<{
  upTo: number;
  ranges: readonly SeqRange[];
  next: number;
  /** Records that the device gave up before they ever arrived, and records that arrived but could not be read. */
  lost: number;
  refused: number;
}>;

/** Records seq0 … seq0 + n − 1 have come; those in `refusedSeqs` could not be read. Below `base` the device holds nothing any more. */
export type Arrival = Readonly<{ base: number; seq0: number; n: number; refusedSeqs: readonly number[] }>;

export const newCursor: StreamCursor = { upTo: 0, ranges: [], next: 0, lost: 0, refused: 0 };

/** As many as one acknowledgement carries. */
export const maxRanges = 1000;

/**
 * Each sequence number is in `fresh` exactly once over the stream's life, in whatever order, however often it comes. A run that
 * would need one range too many is left unresolved: it is not acknowledged, so the device sends it again when gaps have closed.
 */
export function advance(cursor: StreamCursor, arrival: Arrival): { cursor: StreamCursor; fresh: number[] } {
  const { base, seq0, n, refusedSeqs } = arrival;
  const resolved: Runs = [[0, cursor.upTo - 1], ...cursor.ranges];
  const merged = n > 0 ? insert(resolved, [seq0, seq0 + n - 1]) : resolved;
  const fits = merged.length - 1 <= maxRanges;
  const fresh = fits ? unresolved(resolved, seq0, seq0 + n) : [];
  const known = fits ? merged : resolved;
  // Records first, base second: what came in this very message is not lost.
  const lost = base - countBelow(known, base);
  const [[, last], ...ranges] = base > 0 ? insert(known, [0, base - 1]) : known;
  const isRefused = new Set(refusedSeqs);
  return {
    cursor: {
      upTo: last + 1,
      ranges,
      next: Math.max(cursor.next, seq0 + n, base),
      lost: cursor.lost + lost,
      refused: cursor.refused + fresh.filter((seq) => isRefused.has(seq)).length,
    },
    fresh,
  };
}

/** Nothing more comes of it: what it gave a number to and what never arrived is lost. `next`: one above the last that it gave. */
export function closed(cursor: StreamCursor, next: number): StreamCursor {
  const base = Math.max(cursor.next, next);
  return advance(cursor, { base, seq0: base, n: 0, refusedSeqs: [] }).cursor;
}

/** The first run begins at 0 and ends before `upTo`; it is [0, −1] while nothing is resolved. */
type Runs = readonly [SeqRange, ...SeqRange[]];

/** Runs that overlap or touch become one. */
function insert(runs: Runs, [from, to]: SeqRange): Runs {
  const before = runs.filter(([, end]) => end + 1 < from);
  const after = runs.filter(([start]) => start > to + 1);
  const touching = runs.slice(before.length, runs.length - after.length);
  const run: SeqRange = [Math.min(from, ...touching.map(([start]) => start)), Math.max(to, ...touching.map(([, end]) => end))];
  const [first, ...rest] = before;
  return first ? [first, ...rest, run, ...after] : [run, ...after];
}

/** The sequence numbers in [from, to) that lie in no run. */
function unresolved(runs: Runs, from: number, to: number): number[] {
  const gaps: number[] = [];
  let seq = from;
  for (const [start, end] of runs) {
    for (; seq < Math.min(start, to); seq++) gaps.push(seq);
    seq = Math.max(seq, end + 1);
  }
  for (; seq < to; seq++) gaps.push(seq);
  return gaps;
}

const countBelow = (runs: Runs, limit: number) =>
  runs.reduce((sum, [start, end]) => sum + Math.max(0, Math.min(end + 1, limit) - start), 0);
