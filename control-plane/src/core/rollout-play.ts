import { RolloutPlan, type RolloutPlanInput } from '@flotilla/protocol';
import type { Baseline } from './baseline.js';
import { noCounts, type Counts } from './counts.js';
import { addEvidence, evidenceOf, joining } from './evidence.js';
import type { Strata } from './gate.js';
import { reduceRollout, type RolloutEvent, type RolloutState } from './rollout.js';
import { alarmsOf } from './stage.js';

/** For tests: a plan of two stages, what devices show, and events played against the machine. */
export const written: RolloutPlanInput = {
  name: 'everywhere',
  release: 'classifier@1.1.0',
  slot: 'inspection',
  target: '*',
  stages: [
    { name: 'canary', count: 2, soak: 5, deadline: 60 },
    { name: 'rest', percent: 100, soak: 5, deadline: 60 },
  ],
  gates: [
    { metric: 'compute.mean', ratioToIncumbent: 1.5, minInferences: 100, margin: 0.3 },
    { metric: 'errors', max: 0.01, minInferences: 100, margin: 0.3 },
  ],
  evidence: { falseAlarm: 0.01, pass: 0.2 },
  success: { committed: 0.9, coverage: 0.8, maxDeferred: 0.25, deviceDeadline: 30, maxPlaceFailures: 0.5 },
};
export const plan = RolloutPlan.parse(written);
export const pausing = RolloutPlan.parse({ ...written, onBreach: 'pause' });

type Evidence = readonly Strata[];
const incumbent: Baseline = {
  windows: 40,
  inferences: 800,
  computeMeanUs: 10_000,
  computeP95Us: 10_000,
  computeP50Us: 10_000,
};
/** Ten windows of twenty inferences on two devices, each at `ms` of compute. */
export const measured = (ms: number, errors = 0): Evidence =>
  plan.gates.map((gate) => {
    const sample = {
      ok: 20 - errors,
      errors,
      sheds: 0,
      computeCpuUs: (20 - errors) * ms * 1000,
      slow: {},
      total: { first: 0, counts: [] },
    };
    const windows = Array.from({ length: 10 }, () => evidenceOf(gate, 'k', sample, incumbent)!);
    return { x64: [joining(true), joining(true), ...windows].reduce(addEvidence) };
  });
export const none: Evidence = [];
export const good = measured(10);
export const slow = measured(40);
export const alarms = alarmsOf(plan, [1, 1]);
export const counts = (some: Partial<Counts>): Counts => ({ ...noCounts, ...some });
export const done = counts({ committed: 2 });

export const at = (seconds: number) => seconds * 1000;
export const start: RolloutEvent = { type: 'start', at: 0 };
export const look = (seconds: number, stages: [Counts, Evidence?][], rollingBack = 0): RolloutEvent => ({
  type: 'observed',
  at: at(seconds),
  observation: { stages: stages.map(([c, e]) => ({ counts: c, gates: e ?? none })), rollingBack, alarms },
});
export const pause = (seconds: number): RolloutEvent => ({ type: 'pause', at: at(seconds), reason: 'manual', detail: 'lunch' });
export const resume = (seconds: number, accepting?: string): RolloutEvent => ({ type: 'resume', at: at(seconds), accepting });
/** One stage from offer to pass: covered, soaked, analysed. */
export const passes = (from: number, stage: number, before: [Counts, Evidence?][] = []): RolloutEvent[] =>
  [1, 7, 8].map((s) => look(from + s, [...before.slice(0, stage), [done, good]]));

/** Folds events; a refused one leaves the state as it was. */
export function play(events: RolloutEvent[], by = plan) {
  let state: RolloutState = { phase: 'draft' };
  const did: string[] = [];
  for (const event of events) {
    const step = reduceRollout(by, state, event);
    if ('refused' in step) did.push(step.refused);
    else {
      state = step.state;
      did.push(...step.effects.map((e) => (e.type === 'offer-stage' ? `offer ${e.stage}` : e.type)));
    }
  }
  return { state, did };
}
export const phase = (events: RolloutEvent[], by = plan) => {
  const { state, did } = play(events, by);
  return [state.phase, ...('reason' in state ? [state.reason] : 'stagePhase' in state ? [state.stagePhase] : []), ...did];
};
