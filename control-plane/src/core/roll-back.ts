import type { RolloutPlan } from '@flotilla/protocol';
import { shareBy } from './pace.js';
import {
  submittedOf,
  to,
  type Observation,
  type Returns,
  type RolloutState,
  type StateOf,
  type Step,
  type Time,
} from './rollout-state.js';

const none: Returns = { held: 0, inFlight: 0, failed: 0, told: 0 };

/** Without a pace every device is told at once; else the first ones at the next look, which knows how many there are. */
export function rollBack(
  plan: RolloutPlan,
  state: RolloutState,
  { stage, at, detail, release }: { stage: number; at: Time; detail: string; release?: string | undefined },
): Step {
  const { maxInFlight, perMinute, to: named } = plan.rollBack ?? {};
  const target = release ?? named;
  const goal = target === undefined ? {} : { to: target };
  const paced = maxInFlight !== undefined || perMinute !== undefined;
  const next: RolloutState = { phase: 'rolling-back', stage, since: at, detail, ...goal, ...submittedOf(state) };
  return to(next, ...(paced ? [] : [{ type: 'roll-back' as const, ...goal }]));
}

/** Tells more devices as the plan's pace lets it; is over when all have confirmed, or when no more can be expected. */
export function watchRollBack(
  plan: RolloutPlan,
  state: StateOf<'rolling-back'>,
  at: Time,
  { rollingBack, returns = none }: Observation,
): Step {
  const { held, failed } = returns;
  const { maxFailures = Infinity } = plan.rollBack ?? {};
  if (held > 0 && failed > maxFailures)
    return incomplete(state, `${failed} devices failed on what they went back to, ${maxFailures} may: ${held} were not told`);
  if (held > 0) return tellMore(plan, state, at, returns);
  if (rollingBack === 0) return to({ ...state, phase: 'rolled-back' });
  const late = at - (state.toldAt ?? state.since) > plan.success.deviceDeadline * 1000;
  return late ? incomplete(state, `${rollingBack} devices have not confirmed`) : to(state);
}

function tellMore(plan: RolloutPlan, state: StateOf<'rolling-back'>, at: Time, returns: Returns): Step {
  const { maxInFlight = Infinity, growth = 1, perMinute } = plan.rollBack ?? {};
  const byPace = shareBy({ perMinute, growth }, { since: state.since, before: 0 }, at) - returns.told;
  const most = Math.min(returns.held, maxInFlight - returns.inFlight, byPace);
  if (most <= 0) return to(state);
  const goal = state.to === undefined ? {} : { to: state.to };
  return to({ ...state, toldAt: at }, { type: 'roll-back', most, ...goal });
}

/** A device that was offline may come back and return after all. */
export const watchStragglers = (
  state: StateOf<'rollback-incomplete' | 'rolled-back'>,
  { rollingBack, returns = none }: Observation,
): Step => (rollingBack + returns.held === 0 ? to({ ...state, phase: 'rolled-back' }) : to(state));

const incomplete = ({ ...state }: StateOf<'rolling-back'>, detail: string): Step =>
  to({ ...state, phase: 'rollback-incomplete', detail: `${state.detail}; ${detail}` });
