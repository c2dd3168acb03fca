import type { Answer } from './post.js';

/** `taken`: it is there. `again`: not yet. `refused`: it is known to be no use. */
export type Verdict = { is: 'taken' } | { is: 'again' | 'refused'; state: 'waiting' | 'failed'; reason: string };

const patient: readonly number[] = [408, 425, 429];
const unknownSender: readonly number[] = [401, 403];

export function verdictOf({ status, location }: Answer): Verdict {
  if (status >= 200 && status < 300) return { is: 'taken' };
  const reason = `it answers ${status}`;
  if (status >= 300 && status < 400)
    return {
      is: 'again',
      state: 'failed',
      reason: `${reason}, which sends on to ${location ?? 'nowhere'}: name that address itself`,
    };
  // A secret that was just changed is no reason to lose values.
  if (unknownSender.includes(status)) return { is: 'again', state: 'failed', reason: `${reason}: does it know the secret?` };
  if (status >= 500 || patient.includes(status)) return { is: 'again', state: 'waiting', reason };
  return { is: 'refused', state: 'failed', reason: `${reason}, and values that it refuses are given up` };
}
