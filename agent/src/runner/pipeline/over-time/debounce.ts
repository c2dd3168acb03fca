import type { Debounce } from '@flotilla/protocol/device';
import { z } from 'zod';
import type { Postprocess, Surroundings } from '../stages.js';
import { type Step, overTime } from './step.js';
import { isoOf, verdictOf } from './verdict.js';

const Since = z.object({ label: z.string(), since: z.number() });
const State = z.object({ now: Since.extend({ frames: z.int().min(1) }), decided: Since.optional() });
type State = z.infer<typeof State>;

export const openDebounce = (options: Debounce, around: Surroundings): Postprocess =>
  overTime({ key: 'debounce', onSwap: options.onSwap, schema: State }, around, (before, { findings }, at) =>
    debounce(options, before, verdictOf(findings), at),
  );

/** A decision's `since` is when it was first said, not when it had been said for long enough. */
export function debounce(
  { frames = Infinity, ms = Infinity }: Pick<Debounce, 'frames' | 'ms'>,
  before: State | undefined,
  { label, score }: { label: string; score?: number },
  at: number,
): Step<State> {
  const goesOn = before?.now.label === label;
  const since = goesOn ? Math.min(before.now.since, at) : at;
  const now = { label, since, frames: goesOn ? before.now.frames + 1 : 1 };
  const hasStood = now.frames >= frames || at - since >= ms;
  const changed = hasStood && before?.decided?.label !== label;
  const decided = changed ? { label, since } : before?.decided;
  const state = { now, ...(decided && { decided }) };
  if (!decided) return { state, certain: false, found: {}, undecided: true };
  const decision = { label: decided.label, ...(score === undefined ? {} : { score }), since: isoOf(decided.since), changed };
  return { state, certain: true, found: { decision } };
}
