import type { PauseReason, RolloutPlan } from '@flotilla/protocol';
import { ask, hear, needsApproval } from './approval.js';
import { allowance, offeredOf } from './pace.js';
import { rollBack, watchRollBack, watchStragglers } from './roll-back.js';
import { clocked, judgeStage } from './stage.js';
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

/** The rollout machine, over counts and evidence, never over a map of devices. */
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
      return state.phase === 'running' ? pause(plan, state, event.reason, event.detail) : refuse(state, event);
    case 'resume':
      return state.phase === 'paused' ? resume(plan, state, event) : refuse(state, event);
    case 'release':
      return state.phase === 'paused' && state.reason === event.reason
        ? goOn(plan, state, event.at, state.accepted)
        : refuse(state, event);
    case 'retry':
      return isUnderWay(state) ? to(state, { type: 'retry-failed', upTo: state.stage }) : refuse(state, event);
    case 'cancel':
      return mayEnd(state) ? end(plan, state, 'cancelled', 'cancelled; devices keep what they have') : refuse(state, event);
    case 'supersede':
      return mayEnd(state) ? end(plan, state, 'superseded', event.detail) : refuse(state, event);
    case 'kill':
      return mayEnd(state) ? end(plan, state, 'killed', event.detail) : refuse(state, event);
    case 'roll-back':
      return isUnderWay(state) || state.phase === 'completed' || (state.phase === 'awaiting-approval' && state.stage > 0)
        ? rollBack(plan, state, { stage: stageOf(plan, state), at: event.at, detail: event.detail, release: event.to })
        : refuse(state, event);
    case 'reopen':
      return state.phase === 'completed' ? openStage(plan, state, plan.stages.length - 1, event.at) : refuse(state, event);
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
  return startAt > at || plan.after ? to({ phase: 'scheduled', startAt, ...submitted }) : openStage(plan, submitted, 0, at);
}

/** When its time has come and what it comes after is complete; what is not known is not complete. */
function startIfDue(plan: RolloutPlan, state: StateOf<'scheduled'>, at: Time, { after = [] }: Observation): Step {
  if (at < state.startAt) return to(state);
  const phases = new Map(after.map(({ name, phase }) => [name, phase]));
  const missing = (plan.after ?? []).find((name) => phases.get(name) !== 'completed');
  if (missing === undefined) return openStage(plan, submittedOf(state), 0, at);
  return to({ ...state, detail: `waits for rollout "${missing}", which is ${phases.get(missing) ?? 'not there'}` });
}

function observe(plan: RolloutPlan, state: RolloutState, at: Time, observation: Observation): Step {
  switch (state.phase) {
    case 'scheduled':
      return startIfDue(plan, state, at, observation);
    case 'running':
      return judge(plan, state, at, observation);
    case 'rolling-back':
      return watchRollBack(plan, state, at, observation);
    case 'rollback-incomplete':
      return watchStragglers(state, observation);
    case 'draft':
    case 'awaiting-approval':
    case 'paused':
    case 'rolled-back':
    case 'rejected':
    case 'completed':
      return to(state);
    case 'cancelled':
    case 'superseded':
    case 'killed':
      return watchWithdrawal(state, observation);
  }
}

/** However many there are, they are told a part at a time. */
function watchWithdrawal(state: StateOf<'cancelled' | 'superseded' | 'killed'>, { unwithdrawn }: Observation): Step {
  if (!state.withdrawing) return to(state);
  if (unwithdrawn) return to(state, { type: 'withdraw' });
  const { withdrawing: _, ...ended } = state;
  return to(ended);
}

function judge(plan: RolloutPlan, seen: StateOf<'running'>, at: Time, observation: Observation): Step {
  const state = clocked(seen, at, observation);
  const verdict = judgeStage(plan, state, at, observation);
  switch (verdict.type) {
    case 'breach':
      if (plan.onBreach === 'roll-back') return rollBack(plan, state, { stage: state.stage, at, detail: verdict.detail });
      return pause(plan, state, 'breach', verdict.detail, verdict.toAccept);
    case 'place-breach':
      return pause(plan, state, 'breach', verdict.detail, verdict.toAccept);
    case 'inconclusive':
      return pause(plan, state, 'inconclusive', verdict.detail, verdict.toAccept);
    case 'unanswered':
      return pause(plan, state, 'metrics', verdict.detail, verdict.toAccept);
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
function offerMore(plan: RolloutPlan, state: StateOf<'running'>, at: Time, { stages, held, budgets }: Observation): Step {
  const { counts } = stages[state.stage]!;
  const waiting = counts.waiting - (held?.waiting ?? 0);
  if (state.held || waiting <= 0) return to(state);
  const pace = state.pace ?? { since: at, before: offeredOf(counts) };
  const inFlight = stages.reduce((sum, stage) => sum + stage.counts.open, 0);
  const allowed = allowance(plan.pace, pace, at, { counts, waiting, inFlight, budgets });
  const offer = { type: 'offer-stage' as const, stage: state.stage, ...allowed };
  return to({ ...state, pace }, ...(allowed.most > 0 ? [offer] : []));
}

function advance(plan: RolloutPlan, state: StateOf<'running'>, at: Time, detail: string): Step {
  const next = state.stage + 1;
  const kept = { ...submittedOf(state), ...acceptedOf(state) };
  if (next >= plan.stages.length) return to({ phase: 'completed', detail, ...kept });
  return needsApproval(plan, next) ? ask(plan, next, kept) : openStage(plan, kept, next, at);
}

function resume(plan: RolloutPlan, state: StateOf<'paused'>, event: Extract<RolloutEvent, { type: 'resume' }>): Step {
  const { reason, accepted, toAccept } = state;
  // Going on after a breach is a decision that somebody must own.
  if (reason === 'breach' && !event.accepting) return { refused: `a breach is resumed only with a reason (${state.detail})` };
  if (reason === 'inconclusive' && !event.accepting)
    return { refused: `an inconclusive stage is resumed only with a reason (${state.detail})` };
  return goOn(plan, state, event.at, event.accepting ? (toAccept ?? accepted) : accepted);
}

/** Time stood still for the stage: its deadlines and its soak start anew, and its pace saved nothing up. */
function goOn(plan: RolloutPlan, state: StateOf<'paused'>, at: Time, accepted: Accepted | undefined): Step {
  const { stage, stagePhase, soakingSince, analysingSince } = state;
  const running: StateOf<'running'> = {
    phase: 'running',
    stage,
    stagePhase,
    openedAt: at,
    ...(soakingSince === undefined ? {} : { soakingSince: at }),
    ...(analysingSince === undefined ? {} : { analysingSince: at }),
    ...(accepted ? { accepted } : {}),
    ...submittedOf(state),
  };
  return to(running, ...(plan.inFlight === 'hold' ? [{ type: 'let-go' as const }] : []));
}

type Kept = Pick<RolloutState, 'submitted'> & Pick<StageProgress, 'accepted'>;

/** With a pace or windows the first devices are offered at the next look, which knows how many there are. */
function openStage(plan: RolloutPlan, { submitted, accepted }: Kept, stage: number, at: Time): Step {
  const { maxInFlight, perMinute, maxUnavailable, bandwidth } = plan.pace;
  const paced = [maxInFlight, perMinute, maxUnavailable, bandwidth, plan.windows, plan.blackouts].some((it) => it !== undefined);
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

function pause(plan: RolloutPlan, state: StateOf<'running'>, reason: PauseReason, detail: string, toAccept?: Accepted): Step {
  const { pace: _, held: __, ...progress } = state;
  const paused: StateOf<'paused'> = { ...progress, phase: 'paused', reason, detail, ...(toAccept ? { toAccept } : {}) };
  return to(paused, ...(plan.inFlight === 'hold' ? [{ type: 'hold' as const }] : []));
}

/** Nobody would ever let go what is held: it goes back. */
function end(plan: RolloutPlan, state: RolloutState, phase: 'cancelled' | 'superseded' | 'killed', detail: string): Step {
  const withdraws = plan.inFlight === 'hold' && isUnderWay(state);
  const ended = { phase, detail, ...submittedOf(state) };
  return withdraws ? to({ ...ended, withdrawing: true }, { type: 'withdraw' }) : to(ended);
}
/** A thin coverage was accepted for one stage; what failed there stays accepted. */
const acceptedOf = ({ accepted }: StageProgress) => (accepted ? { accepted: { ...accepted, coverage: false } } : {});
const isUnderWay = (state: RolloutState): state is StateOf<'running'> | StateOf<'paused'> =>
  state.phase === 'running' || state.phase === 'paused';
const mayEnd = (state: RolloutState) =>
  isUnderWay(state) || state.phase === 'draft' || state.phase === 'awaiting-approval' || state.phase === 'scheduled';
const stageOf = (plan: RolloutPlan, state: RolloutState) => ('stage' in state ? state.stage : plan.stages.length - 1);
