import { describe, expect, it } from 'vitest';
import { restored, type StoredState } from './stored-state.js';

const stage = { stage: 1, stagePhase: 'activating', openedAt: 5 } as const;
const first = { failed: 2, metrics: ['errors'], coverage: false };

describe('a state that the first version stored', () => {
  it.each<[string, StoredState, object]>([
    ['goes on as it was where nothing was accepted', { phase: 'running', ...stage }, { phase: 'running', ...stage }],
    [
      'knows in which stage failures were accepted',
      { phase: 'running', ...stage, accepted: first },
      { phase: 'running', ...stage, accepted: { failed: [0, 2], place: [], metrics: ['1/errors'], coverage: false } },
    ],
    [
      'can be resumed from its breach',
      { phase: 'paused', reason: 'breach', detail: 'x', failedMetrics: ['errors'], ...stage, accepted: first },
      {
        phase: 'paused',
        reason: 'breach',
        detail: 'x',
        ...stage,
        toAccept: { failed: [0, 2], place: [], metrics: ['1/errors'], coverage: false },
      },
    ],
    [
      'can be resumed where it was inconclusive',
      { phase: 'paused', reason: 'inconclusive', detail: 'x', failedMetrics: [], ...stage },
      {
        phase: 'paused',
        reason: 'inconclusive',
        detail: 'x',
        ...stage,
        toAccept: { failed: [0, 0], place: [], metrics: [], coverage: true },
      },
    ],
    [
      'looks at its evidence since its stage was opened',
      { phase: 'running', ...stage, stagePhase: 'analysing' },
      { phase: 'running', ...stage, stagePhase: 'analysing', analysingSince: 5 },
    ],
    [
      'of this version is left as it is',
      { phase: 'running', ...stage, stagePhase: 'analysing', analysingSince: 9 },
      { phase: 'running', ...stage, stagePhase: 'analysing', analysingSince: 9 },
    ],
    [
      'can be resumed from a breach in which nothing had failed',
      { phase: 'paused', reason: 'breach', detail: 'x', failedMetrics: ['errors'], ...stage },
      {
        phase: 'paused',
        reason: 'breach',
        detail: 'x',
        ...stage,
        toAccept: { failed: [0, 0], place: [], metrics: ['1/errors'], coverage: false },
      },
    ],
    ['stays what it was when it is over', { phase: 'completed', detail: 'x' }, { phase: 'completed', detail: 'x' }],
  ])('%s', (_name, stored, expected) => expect(restored(stored)).toEqual(expected));
});
