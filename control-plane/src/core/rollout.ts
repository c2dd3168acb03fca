import type { PauseReason, RolloutPlan } from '@flotilla/protocol';
import type { Counts } from './counts.js';
import type { Evidence } from './gate.js';
import { judgeStage, type Accepted } from './stage.js';

/** Milliseconds since 1970; time comes in events, the reducer has no clock. */
export type Time = number;

/** A stage under way: `activating` until enough devices decided, then `soaking`, then `analysing` until the gates have their evidence. */
export type StageProgress = Readonly<{
  stage: number;
  stagePhase: 'activating' | 'soaking' | 'analysing';
  openedAt: Time;
  soakingSince?: Time;
  /** Failures and gates that somebody chose to live with, by a recorded reason. */
  accepted?: Accepted;
}>;

export type RolloutState =
  | { phase: 'draft' }
  | ({ phase: 'running' } & StageProgress)
  | ({ phase: 'paused'; reason: PauseReason; detail: string; failedMetrics: string[] } & StageProgress)
  | { phase: 'rolling-back'; stage: number; since: Time; detail: string }
  | { phase: 'rolled-back' | 'rollback-incomplete'; stage: number; since: Time; detail: string }
  | { phase: 'completed'; detail: string }
  | { phase: 'cancelled'; detail: string };

/** One look at the rollout: counts and evidence of each stage, read in one transaction. `rollingBack`: devices that were told to return and have not yet. */
export type Observation = Readonly<{ stages: readonly { counts: Counts; evidence: Evidence }[]; rollingBack: number }>;

export type RolloutEvent =
  | { type: 'start'; at: Time }
  | { type: 'pause'; at: Time; reason: PauseReason; detail: string }
  | { type: 'resume'; at: Time; accepting?: string | undefined }
  | { type: 'cancel'; at: Time }
  | { type: 'roll-back'; at: Time; detail: string }
  | { type: 'observed'; at: Time; observation: Observation };

/** Effects name sets of devices ('the devices of stage 2'); one SQL statement moves them. */
export type RolloutEffect = { type: 'offer-stage'; stage: number } | { type: 'roll-back' };
export type Step = { state: RolloutState; effects: RolloutEffect[] } | { refused: string };

/** The rollout machine (DESIGN section 7), over counts and evidence, never over a map of devices. */
export function reduceRollout(plan: RolloutPlan, state: RolloutState, event: RolloutEvent): Step {
  switch (event.type) {
    case 'start':
      return state.phase === 'draft' ? openStage(0, event.at) : refuse(state, event);
    case 'pause':
      return state.phase === 'running' ? pause(state, event.reason, event.detail, []) : refuse(state, event);
    case 'resume':
      return state.phase === 'paused' ? resume(plan, state, event) : refuse(state, event);
    case 'cancel':
      return state.phase === 'draft' || isUnderWay(state)
        ? to({ phase: 'cancelled', detail: 'cancelled; devices keep what they have' })
        : refuse(state, event);
    case 'roll-back':
      return isUnderWay(state) || state.phase === 'completed'
        ? rollBack(stageOf(plan, state), event.at, event.detail)
        : refuse(state, event);
    case 'observed':
      return observe(plan, state, event.at, event.observation);
  }
}

function observe(plan: RolloutPlan, state: RolloutState, at: Time, observation: Observation): Step {
  switch (state.phase) {
    case 'running':
      return judge(plan, state, at, observation);
    case 'rolling-back':
      return watchRollBack(plan, state, at, observation.rollingBack);
    case 'rollback-incomplete':
      // A device that was offline came back and returned after all.
      return observation.rollingBack === 0 ? to({ ...state, phase: 'rolled-back' }) : to(state);
    case 'draft':
    case 'paused':
    case 'rolled-back':
    case 'completed':
    case 'cancelled':
      return to(state);
  }
}

function judge(plan: RolloutPlan, state: Extract<RolloutState, { phase: 'running' }>, at: Time, observation: Observation): Step {
  const verdict = judgeStage(plan, state, at, observation);
  switch (verdict.type) {
    case 'breach':
      if (plan.onBreach === 'roll-back') return rollBack(state.stage, at, verdict.detail);
      return pause({ ...state, accepted: verdict.toAccept }, 'breach', verdict.detail, verdict.metrics);
    case 'inconclusive':
      return pause(state, 'inconclusive', verdict.detail, verdict.metrics);
    case 'passed':
      if (state.stage + 1 < plan.stages.length) return openStage(state.stage + 1, at);
      return to({ phase: 'completed', detail: verdict.detail });
    case 'covered':
      return to({ ...state, stagePhase: 'soaking', soakingSince: at });
    case 'soaked':
      return to({ ...state, stagePhase: 'analysing' });
    case 'waiting':
      return to(state);
  }
}

function resume(
  plan: RolloutPlan,
  state: Extract<RolloutState, { phase: 'paused' }>,
  event: Extract<RolloutEvent, { type: 'resume' }>,
): Step {
  const { reason, detail: _, failedMetrics, phase: __, accepted, ...progress } = state;
  // Going on after a breach is a decision that somebody must own.
  if (reason === 'breach' && !event.accepting) return { refused: `a breach is resumed only with a reason (${state.detail})` };
  if (reason === 'inconclusive' && !event.accepting)
    return { refused: `an inconclusive stage is resumed only with a reason (${state.detail})` };
  const waived = event.accepting
    ? { accepted: { failed: accepted?.failed ?? 0, metrics: failedMetrics, coverage: reason === 'inconclusive' } }
    : accepted
      ? { accepted }
      : {};
  // Time stood still for the stage: its deadline starts anew.
  return to({
    phase: 'running',
    ...progress,
    ...waived,
    openedAt: event.at,
    ...(progress.soakingSince === undefined ? {} : { soakingSince: event.at }),
  });
}

function watchRollBack(
  plan: RolloutPlan,
  state: Extract<RolloutState, { phase: 'rolling-back' }>,
  at: Time,
  rollingBack: number,
): Step {
  if (rollingBack === 0) return to({ ...state, phase: 'rolled-back' });
  const late = at - state.since > plan.success.deviceDeadline * 1000;
  return late
    ? to({ ...state, phase: 'rollback-incomplete', detail: `${state.detail}; ${rollingBack} devices have not confirmed` })
    : to(state);
}

const openStage = (stage: number, at: Time): Step =>
  to({ phase: 'running', stage, stagePhase: 'activating', openedAt: at }, { type: 'offer-stage', stage });
const rollBack = (stage: number, at: Time, detail: string): Step =>
  to({ phase: 'rolling-back', stage, since: at, detail }, { type: 'roll-back' });
const pause = (progress: StageProgress, reason: PauseReason, detail: string, failedMetrics: string[]): Step =>
  to({ ...progressOf(progress), phase: 'paused', reason, detail, failedMetrics });
const progressOf = ({ stage, stagePhase, openedAt, soakingSince, accepted }: StageProgress): StageProgress => ({
  stage,
  stagePhase,
  openedAt,
  ...(soakingSince === undefined ? {} : { soakingSince }),
  ...(accepted === undefined ? {} : { accepted }),
});
const isUnderWay = (state: RolloutState) => state.phase === 'running' || state.phase === 'paused';
const stageOf = (plan: RolloutPlan, state: RolloutState) => ('stage' in state ? state.stage : plan.stages.length - 1);
const to = (state: RolloutState, ...effects: RolloutEffect[]): Step => ({ state, effects });
const refuse = (state: RolloutState, event: RolloutEvent): Step => ({
  refused: `cannot ${event.type} a rollout that is ${state.phase}`,
});
