import type { Vote } from '@flotilla/protocol/device';
import { z } from 'zod';
import type { Postprocess, Surroundings } from '../stages.js';
import { type Step, overTime } from './step.js';
import { isoOf, verdictOf } from './verdict.js';

const Decided = z.object({ label: z.string(), since: z.number() });
const State = z.object({ verdicts: z.array(z.string()).max(1000), decided: Decided.optional() });
type State = z.infer<typeof State>;

export const openVote = (options: Vote, around: Surroundings): Postprocess =>
  overTime(
    { key: 'vote', onSwap: options.onSwap, signature: { of: options.of }, schema: State },
    around,
    (before, { findings }, at) => vote(options, before, verdictOf(findings), at),
  );

export function vote(
  { of, atLeast }: Pick<Vote, 'of' | 'atLeast'>,
  before: State | undefined,
  { label, score }: { label: string; score?: number },
  at: number,
): Step<State> {
  const verdicts = [...(before?.verdicts ?? []), label].slice(-of);
  // More than half: only one can.
  const winner = verdicts.find((candidate) => verdicts.filter((verdict) => verdict === candidate).length >= atLeast);
  const changed = winner !== undefined && winner !== before?.decided?.label;
  const decided = changed ? { label: winner, since: at } : before?.decided;
  const state = { verdicts, ...(decided && { decided }) };
  const certain = verdicts.length === of;
  if (!decided) return { state, certain, found: {}, undecided: true };
  const decision = { label: decided.label, ...(score === undefined ? {} : { score }), since: isoOf(decided.since), changed };
  return { state, certain, found: { decision } };
}
