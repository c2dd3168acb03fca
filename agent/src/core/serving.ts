import { ceilingMs } from './backoff.js';
import type {
  Committed,
  Died,
  Done,
  Heartbeat,
  Report,
  Served,
  SlotEffect,
  SlotState,
  Step,
  Target,
  Update,
  Wait,
} from './slot-state.js';

/** So many healthy inferences, or so many seconds without a death, and a committed runner counts as steady. */
const steady = { inferences: 20, seconds: 60 } as const;
const loop = { deaths: 3, withinS: 60 } as const;
const restart = { baseMs: 500, capMs: 30_000 } as const;
const atOnce = { minS: 0, maxS: 0 } as const;
const slowly = (why: string): Wait => ({ minS: 60, maxS: 300, why: `safe mode: ${why}` });
/** More starts of the supervisor than this without a steady runner between: the release may be what brings the machine down. */
const bootsBeforeSafeMode = 5;

/** Brings the committed release up under a new number; what an earlier runner still says comes late. */
export function bringUp(state: SlotState, committed: Committed, wait: Wait = atOnce) {
  const run = state.runs + 1;
  const serve: SlotEffect = { type: 'serve', run, release: committed, wait };
  return {
    state: { ...state, runs: run, committed, serving: { ...state.serving, run, since: undefined, steady: false } },
    serve,
  };
}

export function bootServing(state: SlotState, boots: number): { state: SlotState; effects: readonly SlotEffect[] } {
  const rested: SlotState = { ...state, serving: { run: 0, deaths: [], steady: false, safe: false } };
  if (!state.committed) return { state: rested, effects: [] };
  if (boots <= bootsBeforeSafeMode) {
    const up = bringUp(rested, state.committed);
    return { state: up.state, effects: [up.serve] };
  }
  const why = `${boots} starts without a steady runner between them`;
  const up = bringUp({ ...rested, serving: { ...rested.serving, safe: true } }, state.committed, slowly(why));
  return { state: up.state, effects: [safeModeAlarm(why), up.serve] };
}

export function servingUp(state: SlotState, event: Served): Step {
  if (event.run !== state.serving.run) return late(event);
  return { state: { ...state, serving: { ...state.serving, since: event.at } }, effects: [] };
}

/** Once steady, earlier deaths and starts of the supervisor are forgiven and safe mode ends. */
export function servingBeats(state: SlotState, event: Heartbeat): Step {
  const { serving, committed, update } = state;
  if (event.run !== serving.run || !committed) return late(event);
  const beats = event.ok >= steady.inferences || (serving.since !== undefined && event.at - serving.since >= steady.seconds);
  if (serving.steady || !beats) return proven(state, event, committed);
  const calm: SlotState = { ...state, serving: { ...serving, deaths: [], steady: true, safe: false } };
  const recovered = serving.safe && update.state === 'failed' && update.target.deployment === committed.deployment;
  if (!recovered) return { state: calm, effects: [{ type: 'clear-boots' }] };
  const { target } = update;
  const back = commit(calm, { state: 'committed', target, variant: committed.variant });
  return { state: back.state, effects: [{ type: 'clear-boots' }, back.report] };
}

/** What was committed for want of traffic is proven once the traffic has come. */
function proven(state: SlotState, event: Heartbeat, committed: Committed): Step {
  const { update } = state;
  if (update.state !== 'committed-unproven' || event.ok < update.target.probation.inferences) return { state, effects: [] };
  const done = commit(state, { state: 'committed', target: update.target, variant: committed.variant });
  return { state: done.state, effects: [done.report] };
}

const commit = (state: SlotState, update: Done) => {
  const { target, variant } = update;
  const { deployment, digest } = target;
  const report: Report = { type: 'report', deployment, digest, state: 'committed', variant, committed: digest };
  return { state: { ...state, update }, report };
};

/** Started again with backoff; three deaths within a minute return to the release committed before, then lead to safe mode. */
export function servingDied(state: SlotState, event: Died): Step {
  const { serving, committed, previous } = state;
  if (event.run !== serving.run || !committed) return late(event);
  const deaths = [...serving.deaths.filter((at) => event.at - at < loop.withinS), event.at];
  const noted: SlotState = { ...state, serving: { ...serving, deaths } };
  if (serving.safe) return again(noted, committed, slowly(event.death.reason));
  if (deaths.length < loop.deaths) {
    return again(noted, committed, { minS: 0, maxS: ceilingMs(deaths.length - 1, restart) / 1000 });
  }
  const reason = `${deaths.length} deaths within ${loop.withinS} s, the last: ${event.death.reason}`;
  return previous ? fallBack(noted, committed, previous, event, reason) : enterSafeMode(noted, committed, event, reason);
}

function again(state: SlotState, committed: Committed, wait: Wait): Step {
  const up = bringUp(state, committed, wait);
  return { state: up.state, effects: [up.serve] };
}

function fallBack(state: SlotState, loops: Committed, lastGood: Committed, { death }: Died, reason: string): Step {
  const calm: SlotState = { ...state, previous: undefined, serving: { ...state.serving, deaths: [] } };
  const up = bringUp(calm, lastGood);
  const lost = { failure: death.failure, reason, variant: loops.variant };
  const update = judged(state.update, loops, (target) => ({ state: 'rolled-back', target, ...lost }));
  const { deployment, digest } = loops;
  const report: Report = { type: 'report', deployment, digest, state: 'rolled-back', ...lost, committed: lastGood.digest };
  return { state: { ...up.state, update }, effects: [report, up.serve] };
}

function enterSafeMode(state: SlotState, loops: Committed, { death }: Died, why: string): Step {
  const up = bringUp({ ...state, serving: { ...state.serving, safe: true } }, loops, slowly(why));
  const reason = `safe mode: ${why}`;
  const lost = { failure: death.failure, reason, variant: loops.variant };
  const update = judged(state.update, loops, (target) => ({ state: 'failed', target, ...lost }));
  const { deployment, digest } = loops;
  const report: Report = { type: 'report', deployment, digest, state: 'failed', ...lost, committed: digest };
  return { state: { ...up.state, update }, effects: [safeModeAlarm(why), report, up.serve] };
}

/** Speaks about the update only where that is still the one which brought the release that fails. */
function judged(update: Update, release: Committed, verdict: (target: Target) => Update) {
  const its = update.state === 'committed' || update.state === 'committed-unproven';
  return its && update.target.deployment === release.deployment ? verdict(update.target) : update;
}

const safeModeAlarm = (why: string): SlotEffect => ({
  type: 'alarm',
  name: 'safe-mode',
  message: `${why}; the slot stays down and is tried again every few minutes: assign another release`,
});
const late = ({ type, run }: { type: string; run: number }): Step => ({ refused: `${type} of run ${run} comes late` });
