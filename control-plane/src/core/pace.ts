import type { RolloutPlan } from '@flotilla/protocol';
import { eligible, type Counts } from './counts.js';

type Pace = RolloutPlan['pace'];
/** Where counting began: at the stage's opening, or anew at a resume, so that a pause saves nothing up. */
export type PaceFrom = Readonly<{ since: number; before: number }>;

const minute = 60_000;

/** Devices that may have been offered by now: a full minute's share at once at its beginning, each minute's share `growth` times the last. */
export function shareBy(pace: Pace, from: PaceFrom, at: number): number {
  if (pace.perMinute === undefined) return Infinity;
  const minutes = Math.floor(Math.max(0, at - from.since) / minute) + 1;
  const { perMinute, growth } = pace;
  const total = growth === 1 ? perMinute * minutes : (perMinute * (growth ** minutes - 1)) / (growth - 1);
  return from.before + Math.floor(total);
}

export const offeredOf = (counts: Counts) => eligible(counts) + counts.rolledBack - counts.waiting;

/** How many more devices of a stage may be offered the release now. `inFlight`: under way over all stages. */
export function allowance(pace: Pace, from: PaceFrom, at: number, counts: Counts, inFlight: number): number {
  const byPace = shareBy(pace, from, at) - offeredOf(counts);
  const byRoom = pace.maxInFlight === undefined ? Infinity : pace.maxInFlight - inFlight;
  return Math.max(0, Math.min(counts.waiting, byPace, byRoom));
}
