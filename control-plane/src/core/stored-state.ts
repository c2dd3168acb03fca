import type { PauseReason } from '@flotilla/protocol';
import type { Accepted, RolloutState, StageProgress } from './rollout-state.js';

/** What the first version wrote: one number of accepted failures, gates by their metric, and what is to be accepted in two places. */
type FirstAccepted = { failed: number; metrics: readonly string[]; coverage: boolean };
type FirstProgress = Omit<StageProgress, 'accepted'> & { accepted?: FirstAccepted };
type FirstState =
  | ({ phase: 'running' } & FirstProgress)
  | ({ phase: 'paused'; reason: PauseReason; detail: string; failedMetrics: readonly string[] } & FirstProgress);
/** A state as some version of the machine has stored it. */
export type StoredState = RolloutState | FirstState;

/** Rollouts that were under way when the program was replaced go on. */
export function restored(stored: StoredState): RolloutState {
  const state = withAnalysis(stored);
  if (!isFirst(state)) return state;
  const { accepted, ...progress } = state;
  if (progress.phase === 'running') return { ...progress, accepted: inPlaces(accepted!, progress.stage) };
  const { failedMetrics, ...paused } = progress;
  const toAccept = { failed: accepted?.failed ?? 0, metrics: failedMetrics, coverage: paused.reason === 'inconclusive' };
  return { ...paused, toAccept: inPlaces(toAccept, paused.stage) };
}

/** It did not say since when it looks at the evidence. */
const withAnalysis = (state: StoredState): StoredState =>
  'stagePhase' in state && state.stagePhase === 'analysing'
    ? { ...state, analysingSince: state.analysingSince ?? state.openedAt }
    : state;
const isFirst = (state: StoredState): state is FirstState =>
  (state.phase === 'paused' && 'failedMetrics' in state) ||
  (state.phase === 'running' && state.accepted !== undefined && typeof state.accepted.failed === 'number');

const inPlaces = ({ failed, metrics, coverage }: FirstAccepted, stage: number): Accepted => ({
  failed: [...Array<number>(stage).fill(0), failed],
  place: [],
  metrics: metrics.map((metric) => `${stage}/${metric}`),
  coverage,
});
