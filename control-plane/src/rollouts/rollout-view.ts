import {
  Digest,
  digestOf,
  ReleaseName,
  SlotName,
  type CheckView,
  type RolloutPlan,
  type RolloutView,
  type StageView,
} from '@flotilla/protocol';
import type { Observation, RolloutState } from '../core/rollout.js';
import { judgeGates } from '../core/stage.js';
import { tagOf } from '../platform/preconditions.js';
import type { RolloutRow } from './rollout.entity.js';

type Standing = Pick<RolloutView, 'phase' | 'reason' | 'stage' | 'planHash'>;
/** Where it stands, without the counts and figures that move all the time. */
export const standingTag = ({ phase, reason, stage, planHash }: Standing) => tagOf({ phase, reason, stage, planHash });
export const standingTagOf = ({ state, plan }: RolloutRow) =>
  standingTag({
    phase: state.phase,
    ...('reason' in state && { reason: state.reason }),
    ...('stage' in state && { stage: state.stage }),
    planHash: digestOf(plan),
  });

/** A rollout as the API shows it: stages with their counts, and the gates with the figures they rest on. */
export function viewOf(row: RolloutRow, observation: Observation): RolloutView {
  const { state } = row;
  return {
    id: row.id,
    name: row.name,
    release: ReleaseName.parse(row.plan.release),
    digest: Digest.parse(row.digest),
    slot: SlotName.parse(row.slot),
    phase: state.phase,
    ...('reason' in state ? { reason: state.reason } : {}),
    ...detailOf(state),
    ...('stage' in state ? { stage: state.stage } : {}),
    stages: row.plan.stages.map((stage, index) => ({
      name: stage.name,
      phase: phaseOf(state, index),
      counts: observation.stages[index]!.counts,
      gates: judgeGates(row.plan, index, observation),
      ...checksOf(row.plan, index, observation),
    })),
    plan: row.plan,
    planHash: digestOf(row.plan),
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
  };
}

function checksOf(plan: RolloutPlan, index: number, { answers = [] }: Observation): { checks?: CheckView[] } {
  if (!plan.checks) return {};
  const isDry = (name: string) => plan.checks!.some((check) => check.name === name && check.dryRun);
  const of = answers.filter(({ stage }) => stage === index);
  return {
    checks: of.map(({ name, verdict, detail, times, at }) => ({
      name,
      verdict,
      detail,
      times,
      askedAt: new Date(at).toISOString(),
      ...(isDry(name) ? { dryRun: true } : {}),
    })),
  };
}

function detailOf(state: RolloutState): Pick<RolloutView, 'detail'> {
  if (state.phase === 'running') return state.held ? { detail: state.held.why } : {};
  if ('withdrawing' in state) return { detail: `${state.detail}; those that have not begun are being told` };
  return 'detail' in state && state.detail !== undefined ? { detail: state.detail } : {};
}

function phaseOf(state: RolloutState, index: number): StageView['phase'] {
  if (state.phase === 'completed') return 'passed';
  if (!('stage' in state) || index > state.stage) return 'pending';
  if (index < state.stage) return 'passed';
  switch (state.phase) {
    case 'awaiting-approval':
      return 'pending';
    case 'running':
      return state.stagePhase;
    case 'paused':
      return state.reason === 'breach' ? 'failed' : state.reason === 'inconclusive' ? 'inconclusive' : state.stagePhase;
    case 'rolling-back':
    case 'rolled-back':
    case 'rollback-incomplete':
      return 'failed';
  }
}
