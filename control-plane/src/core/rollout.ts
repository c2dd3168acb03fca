import type { PauseReason, RolloutPlan } from '@flotilla/protocol';
import { ask, hear, needsApproval } from './approval.js';
import { allowance, offeredOf } from './pace.js';
import { judgeStage } from './stage.js';
import {
  refuse,
  submittedOf,
  to,
  type Accepted,
  type Observation,
  type RolloutEvent,
  type RolloutState,
  type StageProgress,
  type StateOf,
  type Step,
  type Time,
} from './rollout-state.js';

export type {
  Accepted,
  Observation,
  RolloutEffect,
  RolloutEvent,
  RolloutState,
  StageProgress,
  Step,
  Time,
} from './rollout-state.js';

/** The rollout machine (DESIGN section 7), over counts and evidence, never over a map of devices. */
export function reduceRollout(plan: RolloutPlan, state: RolloutState, event: RolloutEvent): Step {
  switch (event.type) {
    case 'start':
      return state.phase === 'draft' ? submit(plan, event) : refuse(state, event);
    case 'approve':
    case 'withdraw-approval':
    case 'reject':
      return state.phase === 'awaiting-approval'
        ? (hear(plan, state, event) ?? approved(plan, state, event.at))
        : refuse(state, event);
    case 'pause':
      return state.phase === 'running' ? pause(state, event.reason, event.detail) : refuse(state, event);
    case 'resume':
      return state.phase === 'paused' ? resume(state, event) : refuse(state, event);
    case 'release':
      return state.phase === 'paused' && state.reason === event.reason
        ? goOn(state, event.at, state.accepted)
        : refuse(state, event);
    case 'retry':
      return isUnderWay(state) ? to(state, { type: 'retry-failed', upTo: state.stage }) : refuse(state, event);
    case 'cancel':
      return mayEnd(state) ? end(state, 'cancelled', 'cancelled; devices keep what they have') : refuse(state, event);
    case 'supersede':
      return mayEnd(state) ? end(state, 'superseded', event.detail) : refuse(state, event);
    case 'kill':
      return mayEnd(state) ? end(state, 'killed', event.detail) : refuse(state, event);
    case 'roll-back':
      return isUnderWay(state) || state.phase === 'completed' || (state.phase === 'awaiting-approval' && state.stage > 0)
        ? rollBack(state, stageOf(plan, state), event.at, event.detail)
        : refuse(state, event);
    case 'observed':
      return observe(plan, state, event.at, event.observation);
  }
}

function submit(plan: RolloutPlan, { at, planHash, author }: Extract<RolloutEvent, { type: 'start' }>): Step {
  const submitted = planHash === undefined || author === undefined ? {} : { submitted: { planHash, author } };
  return needsApproval(plan, 0) ? ask(plan, 0, submitted) : begin(plan, submitted, at);
}

function approved(plan: RolloutPlan, state: StateOf<'awaiting-approval'>, at: Time): Step {
  return state.stage === 0 ? begin(plan, submittedOf(state), at) : openStage(plan, state, state.stage, at);
}

function begin(plan: RolloutPlan, submitted: Pick<RolloutState, 'submitted'>, at: Time): Step {
  const { startAt = at } = plan;
  return startAt > at ? to({ phase: 'scheduled', startAt, ...submitted }) : openStage(plan, submitted, 0, at);
}

function observe(plan: RolloutPlan, state: RolloutState, at: Time, observation: Observation): Step {
  switch (state.phase) {
    case 'scheduled':
      return at >= state.startAt ? openStage(plan, submittedOf(state), 0, at) : to(state);
    case 'running':
      return judge(plan, state, at, observation);
    case 'rolling-back':
      return watchRollBack(plan, state, at, observation.rollingBack);
    case 'rollback-incomplete':
      // A device that was offline came back and returned after all.
      return observation.rollingBack === 0 ? to({ ...state, phase: 'rolled-back' }) : to(state);
    case 'draft':
    case 'awaiting-approval':
    case 'paused':
    case 'rolled-back':
    case 'rejected':
    case 'completed':
    case 'cancelled':
    case 'superseded':
    case 'killed':
      return to(state);
  }
}

function judge(plan: RolloutPlan, state: StateOf<'running'>, at: Time, observation: Observation): Step {
  const verdict = judgeStage(plan, state, at, observation);
  switch (verdict.type) {
    case 'breach':
      if (plan.onBreach === 'roll-back') return rollBack(state, state.stage, at, verdict.detail);
      return pause(state, 'breach', verdict.detail, verdict.toAccept);
    case 'place-breach':
      return pause(state, 'breach', verdict.detail, verdict.toAccept);
    case 'inconclusive':
      return pause(state, 'inconclusive', verdict.detail, verdict.toAccept);
    case 'passed':
      return advance(plan, state, at, verdict.detail);
    case 'covered':
      return offerMore(plan, { ...state, stagePhase: 'soaking', soakingSince: at }, at, observation);
    case 'soaked':
      return offerMore(plan, { ...state, stagePhase: 'analysing', analysingSince: at }, at, observation);
    case 'waiting':
      return offerMore(plan, state, at, observation);
  }
}

/** Only a rollout that was just looked at, and found in no breach, comes here: a breach always precedes the next offer. */
function offerMore(plan: RolloutPlan, state: StateOf<'running'>, at: Time, { stages }: Observation): Step {
  const { counts } = stages[state.stage]!;
  if (counts.waiting === 0) return to(state);
  const pace = state.pace ?? { since: at, before: offeredOf(counts) };
  const inFlight = stages.reduce((sum, stage) => sum + stage.counts.open, 0);
  const most = allowance(plan.pace, pace, at, counts, inFlight);
  return to({ ...state, pace }, ...(most > 0 ? [{ type: 'offer-stage' as const, stage: state.stage, most }] : []));
}

function advance(plan: RolloutPlan, state: StateOf<'running'>, at: Time, detail: string): Step {
  const next = state.stage + 1;
  if (next >= plan.stages.length) return to({ phase: 'completed', detail, ...submittedOf(state) });
  const kept = { ...submittedOf(state), ...acceptedOf(state) };
  return needsApproval(plan, next) ? ask(plan, next, kept) : openStage(plan, kept, next, at);
}

function resume(state: StateOf<'paused'>, event: Extract<RolloutEvent, { type: 'resume' }>): Step {
  const { reason, accepted, toAccept } = state;
  // Going on after a breach is a decision that somebody must own.
  if (reason === 'breach' && !event.accepting) return { refused: `a breach is resumed only with a reason (${state.detail})` };
  if (reason === 'inconclusive' && !event.accepting)
    return { refused: `an inconclusive stage is resumed only with a reason (${state.detail})` };
  return goOn(state, event.at, event.accepting ? (toAccept ?? accepted) : accepted);
}

/** Time stood still for the stage: its deadlines and its soak start anew, and its pace saved nothing up. */
function goOn(state: StateOf<'paused'>, at: Time, accepted: Accepted | undefined): Step {
  const { stage, stagePhase, soakingSince, analysingSince } = state;
  return to({
    phase: 'running',
    stage,
    stagePhase,
    openedAt: at,
    ...(soakingSince === undefined ? {} : { soakingSince: at }),
    ...(analysingSince === undefined ? {} : { analysingSince: at }),
    ...(accepted ? { accepted } : {}),
    ...submittedOf(state),
  });
}

function watchRollBack(plan: RolloutPlan, state: StateOf<'rolling-back'>, at: Time, rollingBack: number): Step {
  if (rollingBack === 0) return to({ ...state, phase: 'rolled-back' });
  const late = at - state.since > plan.success.deviceDeadline * 1000;
  return late
    ? to({ ...state, phase: 'rollback-incomplete', detail: `${state.detail}; ${rollingBack} devices have not confirmed` })
    : to(state);
}

type Kept = Pick<RolloutState, 'submitted'> & Pick<StageProgress, 'accepted'>;

/** With a pace the first devices are offered at the next look, which knows how many there are. */
function openStage(plan: RolloutPlan, { submitted, accepted }: Kept, stage: number, at: Time): Step {
  const paced = plan.pace.maxInFlight !== undefined || plan.pace.perMinute !== undefined;
  const state: StateOf<'running'> = {
    phase: 'running',
    stage,
    stagePhase: 'activating',
    openedAt: at,
    ...(accepted ? { accepted } : {}),
    ...(submitted ? { submitted } : {}),
  };
  return to(state, ...(paced ? [] : [{ type: 'offer-stage' as const, stage }]));
}

function rollBack(state: RolloutState, stage: number, at: Time, detail: string): Step {
  return to({ phase: 'rolling-back', stage, since: at, detail, ...submittedOf(state) }, { type: 'roll-back' });
}

function pause(state: StateOf<'running'>, reason: PauseReason, detail: string, toAccept?: Accepted): Step {
  const { pace: _, ...progress } = state;
  return to({ ...progress, phase: 'paused', reason, detail, ...(toAccept ? { toAccept } : {}) });
}

const end = (state: RolloutState, phase: 'cancelled' | 'superseded' | 'killed', detail: string): Step =>
  to({ phase, detail, ...submittedOf(state) });
/** A thin coverage was accepted for one stage; what failed there stays accepted. */
const acceptedOf = ({ accepted }: StageProgress) => (accepted ? { accepted: { ...accepted, coverage: false } } : {});
const isUnderWay = (state: RolloutState): state is StateOf<'running'> | StateOf<'paused'> =>
  state.phase === 'running' || state.phase === 'paused';
const mayEnd = (state: RolloutState) =>
  isUnderWay(state) || state.phase === 'draft' || state.phase === 'awaiting-approval' || state.phase === 'scheduled';
const stageOf = (plan: RolloutPlan, state: RolloutState) => ('stage' in state ? state.stage : plan.stages.length - 1);
