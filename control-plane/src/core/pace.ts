import type { PlanPace } from '@flotilla/protocol';
import { eligible, type Counts } from './counts.js';

/** Where counting began: at the stage's opening, or anew at a resume, so that a pause saves nothing up. */
export type PaceFrom = Readonly<{ since: number; before: number }>;
/** Of the devices with one value of a label: those of the stage that may be offered, those under way in any rollout, all targeted. */
export type LabelTally = Readonly<{ value: string; waiting: number; inFlight: number; all: number }>;
/** What has been used up of the plan's budgets. `spent`: bytes offered within the last span that the plan names. */
export type Budgets = Readonly<{ labels?: readonly LabelTally[]; bytes?: Readonly<{ perDevice: number; spent: number }> }>;
/** `waiting`: devices of the stage that may be offered now; `inFlight`: under way over all stages. */
type Demand = Readonly<{ counts: Counts; waiting: number; inFlight: number; budgets?: Budgets | undefined }>;
export type Allowance = Readonly<{ most: number; each?: Readonly<Record<string, number>> }>;

const minute = 60_000;

/** Devices that may have been offered by now: a full minute's share at once at its beginning, each minute's share `growth` times the last. */
export function shareBy(pace: Pick<PlanPace, 'perMinute' | 'growth'>, from: PaceFrom, at: number): number {
  if (pace.perMinute === undefined) return Infinity;
  const minutes = Math.floor(Math.max(0, at - from.since) / minute) + 1;
  const { perMinute, growth } = pace;
  const total = growth === 1 ? perMinute * minutes : (perMinute * (growth ** minutes - 1)) / (growth - 1);
  return from.before + Math.floor(total);
}

export const offeredOf = (counts: Counts) => eligible(counts) + counts.rolledBack - counts.waiting;

/** How many more devices of a stage may be offered the release now. A budget of which nothing is known is used up. */
export function allowance(pace: PlanPace, from: PaceFrom, at: number, demand: Demand): Allowance {
  const { counts, waiting, inFlight, budgets = {} } = demand;
  const byPace = shareBy(pace, from, at) - offeredOf(counts);
  const byRoom = pace.maxInFlight === undefined ? Infinity : pace.maxInFlight - inFlight;
  const most = Math.min(waiting, byPace, byRoom, byBytes(pace, budgets));
  if (pace.maxUnavailable === undefined) return { most: Math.max(0, most) };
  const each = roomByLabel(pace.maxUnavailable, budgets.labels ?? []);
  const byLabel = Object.values(each).reduce((sum, room) => sum + room, 0);
  return { most: Math.max(0, Math.min(most, byLabel)), each };
}

function byBytes({ bandwidth }: PlanPace, { bytes }: Budgets): number {
  if (bandwidth === undefined) return Infinity;
  if (bytes === undefined) return 0;
  return bytes.perDevice === 0 ? Infinity : Math.floor((bandwidth.bytes - bytes.spent) / bytes.perDevice);
}

function roomByLabel(limit: NonNullable<PlanPace['maxUnavailable']>, labels: readonly LabelTally[]): Record<string, number> {
  const rooms = labels.map(({ value, waiting, inFlight, all }): [string, number] => [
    value,
    Math.min(waiting, mostOf(limit, all) - inFlight),
  ]);
  return Object.fromEntries(rooms.filter(([, room]) => room > 0));
}

/** A share is rounded down, but one device may always go: a site of one could else never be reached. */
export const mostOf = (limit: NonNullable<PlanPace['maxUnavailable']>, all: number): number =>
  'count' in limit ? limit.count : Math.max(1, Math.floor((all * limit.percent) / 100));

/** Devices that a budget of bytes lets be offered within so many milliseconds. */
export function offeredByBytes({ bandwidth }: PlanPace, perDevice: number, ms: number): number {
  if (bandwidth === undefined || perDevice === 0) return Infinity;
  return Math.floor(bandwidth.bytes / perDevice) * (Math.floor(ms / (bandwidth.per * 1000)) + 1);
}
