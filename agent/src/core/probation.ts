import type { Probation } from '@flotilla/protocol/device';

export type Counts = Readonly<{ ok: number; errors: number; consecutiveErrors: number }>;
type Verdict = { verdict: 'wait' | 'commit' | 'commit-unproven' } | { verdict: 'unhealthy'; reason: string };

const burst = 5;
const rate = { errors: 0.2, of: 20 } as const;

/** Errors are looked at first: a candidate that has its healthy inferences and fails now is not healthy. */
export function judgeProbation(counts: Counts, elapsedS: number, { inferences, timeoutS }: Probation): Verdict {
  const { ok, errors, consecutiveErrors } = counts;
  if (consecutiveErrors >= burst) return { verdict: 'unhealthy', reason: `${consecutiveErrors} inferences failed in a row` };
  const all = ok + errors;
  if (all >= rate.of && errors / all > rate.errors)
    return { verdict: 'unhealthy', reason: `${errors} of ${all} inferences failed, limit ${rate.errors * 100} %` };
  if (ok >= inferences) return { verdict: 'commit' };
  return { verdict: elapsedS >= timeoutS ? 'commit-unproven' : 'wait' };
}
