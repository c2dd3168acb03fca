import { expect, it } from 'vitest';
import { type Counts, judgeProbation } from './probation.js';

const probation = { inferences: 100, timeoutS: 300 };
const none: Counts = { ok: 0, errors: 0, consecutiveErrors: 0 };

it.each<[string, Partial<Counts>, number, string]>([
  ['waits for its inferences', { ok: 99 }, 10, 'wait'],
  ['commits with them', { ok: 100 }, 10, 'commit'],
  ['commits as unproven when the time is up', { ok: 99 }, 300, 'commit-unproven'],
  ['bears four failures in a row', { ok: 30, errors: 4, consecutiveErrors: 4 }, 10, 'wait'],
  ['does not bear five', { ok: 100, errors: 5, consecutiveErrors: 5 }, 10, 'unhealthy'],
  ['bears a fifth of failures', { ok: 16, errors: 4 }, 10, 'wait'],
  ['does not bear more', { ok: 15, errors: 5 }, 10, 'unhealthy'],
  ['does not judge a share of fewer than twenty', { ok: 15, errors: 4 }, 10, 'wait'],
])('a candidate on probation %s', (_name, counts, elapsedS, verdict) =>
  expect(judgeProbation({ ...none, ...counts }, elapsedS, probation).verdict).toBe(verdict),
);
