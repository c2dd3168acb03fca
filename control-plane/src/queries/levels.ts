import type { TelemetryLevel } from '@flotilla/protocol';
import { AppError } from '../platform/errors.js';

/** Rows by device, or by release × variant × hardware class × site × slot. */
export type Rows = 'device' | 'fleet';
/** Milliseconds since 1970; `to` is not in it. */
export type Part = Readonly<{ level: TelemetryLevel; from: number; to: number }>;
export type Plan = Readonly<{ rows: Rows; level: TelemetryLevel; from: number; to: number; parts: readonly Part[] }>;
export type Ask = Readonly<{
  rows: Rows;
  from: number;
  to: number;
  now: number;
  /** How many devices may have measured what is asked for, and how long their windows are. */
  devices: number;
  windowS: number;
  /** What is asked of; absent: windows. */
  of?: Content | undefined;
  /** Those that there are; absent: all that are kept of such rows. */
  levels?: readonly TelemetryLevel[] | undefined;
  step?: TelemetryLevel | undefined;
  level?: TelemetryLevel | undefined;
}>;

const minuteMs = 60_000;
export const lengthMs = { raw: 1, minute: minuteMs, hour: 60 * minuteMs, day: 1440 * minuteMs } as const;
export const order: readonly TelemetryLevel[] = ['raw', 'minute', 'hour', 'day'];
const kept: Readonly<Record<Rows, readonly TelemetryLevel[]>> = { device: ['raw', 'hour', 'day'], fleet: order };

const sources = { raw: 'raw windows', minute: 'rollups by minute', hour: 'rollups by hour', day: 'rollups by day' } as const;
/** So many rows are put together well within a second on one core: with sketches few of them, and more of sums than of records. */
const budgets = {
  windows: { rows: 30_000, raw: 1 },
  vitals: { rows: 400_000, raw: 4 },
  contents: { rows: 60_000, raw: 1 },
} as const;
export type Content = keyof typeof budgets;
/** Whole days say little about a few hours: hours are worth waiting for. */
const patience = 5;
/** Nobody waits for more. */
const mostRows = 3_000_000;
const mostBuckets = 1000;

/** The finest level that answers in time; its beginnings and ends are those of the answer. */
export function planOf(ask: Ask, keptMs: Readonly<Record<TelemetryLevel, number>>): Plan {
  if (ask.step) refuseTooManyBuckets(ask, ask.step);
  const level = ask.level ?? chosen(ask, keptMs);
  if (!usable(ask).includes(level)) throw new AppError('INVALID_REQUEST', whyNot(ask, level));
  const from = floorTo(ask.from, ask.step ?? level);
  const to = ceilTo(ask.to, level);
  const parts = split(from, to, levelsFrom(ask, level).toReversed());
  if (costOf(ask, parts) > mostRows)
    throw new AppError(
      'INVALID_REQUEST',
      `that is too much to put together from ${sources[level]}: ask for less time, for fewer devices, or for a longer step`,
    );
  return { rows: ask.rows, level, from, to, parts };
}

function chosen(ask: Ask, keptMs: Readonly<Record<TelemetryLevel, number>>): TelemetryLevel {
  const levels = usable(ask);
  const reaching = levels.filter((level) => ask.from >= ask.now - keptMs[level]);
  const inTime = reaching.find((level) => {
    const parts = split(floorTo(ask.from, level), ceilTo(ask.to, level), levelsFrom(ask, level).toReversed());
    const { rows, raw } = budgets[ask.of ?? 'windows'];
    const cost = costOf(ask, parts) * (level === 'raw' ? raw : 1);
    return cost <= (level === 'hour' && ask.to - ask.from < lengthMs.day / 2 ? patience * rows : rows);
  });
  return inTime ?? (reaching.at(-1) || levels.at(-1)!);
}

/** No coarser than the buckets of the answer. */
const usable = ({ rows, step, levels = kept[rows] }: Ask) =>
  levels.filter((level) => !step || order.indexOf(level) <= order.indexOf(step));
/** Raw rows stand for themselves only: what is asked for to the millisecond is read to it. */
const levelsFrom = (ask: Ask, level: TelemetryLevel) =>
  level === 'raw' ? [level] : usable(ask).filter((each) => order.indexOf(each) >= order.indexOf(level));

/** Whole days from the days, what is left at both ends from hours, and so on. `levels`: the coarsest first. */
function split(from: number, to: number, [level, ...finer]: readonly TelemetryLevel[]): Part[] {
  if (level === undefined || from >= to) return [];
  if (finer.length === 0) return [{ level, from, to }];
  const [begin, end] = [ceilTo(from, level), floorTo(to, level)];
  if (begin >= end) return split(from, to, finer);
  return [...split(from, begin, finer), { level, from: begin, to: end }, ...split(end, to, finer)];
}

const costOf = (ask: Ask, parts: readonly Part[]) => parts.reduce((sum, part) => sum + rowsIn(ask, part), 0);

/** The fleet's rollups are small however many devices there are. */
function rowsIn({ rows, devices, windowS }: Ask, { level, from, to }: Part): number {
  if (level === 'raw') return (devices * (to - from)) / 1000 / windowS;
  return rows === 'fleet' ? 0 : devices * ((to - from) / lengthMs[level]);
}

function refuseTooManyBuckets({ from, to }: Ask, step: TelemetryLevel): void {
  const buckets = Math.ceil((to - from) / lengthMs[step]);
  if (buckets > mostBuckets)
    throw new AppError(
      'INVALID_REQUEST',
      `step: that is ${buckets} buckets of one ${step} each, and at most ${mostBuckets} are answered: ask for less time, or for a longer step`,
    );
}

function whyNot(ask: Ask, level: TelemetryLevel): string {
  const possible = usable(ask).join(', ');
  if (ask.levels && !ask.levels.includes(level))
    return `level: there are no rollups by ${level} of this yet: choose one of ${possible}`;
  if (!kept[ask.rows].includes(level))
    return `level: what single devices, groups or labels measured is not kept by ${level}: choose one of ${possible}`;
  return `level: ${ask.step}s cannot be made of whole ${level}s: choose one of ${possible}`;
}

const floorTo = (at: number, level: TelemetryLevel) => Math.floor(at / lengthMs[level]) * lengthMs[level];
const ceilTo = (at: number, level: TelemetryLevel) => Math.ceil(at / lengthMs[level]) * lengthMs[level];
