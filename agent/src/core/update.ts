import type { Activate, FailureClass } from '@flotilla/protocol/device';
import { knowing, whyBlocked, withoutBlocked } from './blocked.js';
import { judgeProbation } from './probation.js';
import { bootServing, bringUp, servingBeats, servingDied, servingUp } from './serving.js';
import {
  asTold,
  type CandidateEvent,
  type Committed,
  type Died,
  type Fallen,
  type Heartbeat,
  type Report,
  type Served,
  type SlotEffect,
  type SlotEvent,
  type SlotState,
  type Step,
  type Target,
  type UnderWay,
  type Update,
} from './slot-state.js';

/** A candidate that was running when the power went is tried again so many times. */
const maxInterruptions = 3;
type Cause = { failure: FailureClass; reason: string };
/** What is reported of a move: why it came, or what is to be known of it. */
type Told = { failure?: FailureClass | undefined; reason?: string | undefined };

/** One slot's update machine. What comes late or twice is refused and changes nothing. */
export const reduceUpdate = (state: SlotState, event: SlotEvent): Step => withoutBlocked(reduce(state, event));

function reduce(state: SlotState, event: SlotEvent): Step {
  switch (event.type) {
    case 'booted':
      return boot(state, event.boots);
    case 'shutdown':
      // What was ended in order did not bring the machine down.
      return { state: setDown(state), effects: [{ type: 'clear-boots' }] };
    case 'desired':
      return desired(knowing(state, event.blocked ?? []), event.target);
    case 'heartbeat':
      return onProbation(state, event.run) ? probationBeats(state, event) : servingBeats(state, event);
    case 'died':
      return died(state, event);
    case 'served':
      return served(state, event);
    case 'stopped':
      return stopped(state);
    case 'resolved':
    case 'rejected':
    case 'downloading':
    case 'waiting':
    case 'downloaded':
    case 'preflighting':
    case 'compiling':
    case 'preflighted':
    case 'allowed':
    case 'activated':
    case 'failed':
    case 'swap-failed':
      return advance(state, event);
  }
}

function boot(state: SlotState, boots: number): Step {
  const served = bootServing(state, boots);
  const { update, halted } = state;
  const up = halted === undefined ? served : { ...served, effects: [...served.effects, haltedBy(halted)] };
  if (update.state === 'idle') return up;
  const resumed = isUnderWay(update) ? resume(up.state, update) : { state: up.state, effects: [reportOf(update, state)] };
  if (update.state === 'rolling-back' && !state.committed) return endRollBack(up.state, update);
  return { state: resumed.state, effects: [...up.effects, ...resumed.effects] };
}

/** Only what had the candidate's code running counts as interrupted: a download may be cut as often as the power is. */
function resume(state: SlotState, update: UnderWay) {
  if (!ranCandidate.has(update.state)) return offerAgain(state, update);
  return retry(state, update, `the device or its supervisor went down during ${update.state}`);
}

const ranCandidate = new Set<UnderWay['state']>(['preflight', 'compiling', 'staged', 'probation']);

function retry(state: SlotState, update: UnderWay, reason: string) {
  const cause: Cause = { failure: 'interrupted', reason };
  if (update.interruptions < maxInterruptions)
    return offerAgain(state, { ...update, interruptions: update.interruptions + 1 }, cause);
  const { target } = update;
  return enter(state, {
    state: 'failed',
    target,
    ...cause,
    reason: `${reason}, after ${maxInterruptions} earlier interruptions`,
  });
}

/** A clean stop is no interruption. */
function setDown(state: SlotState): SlotState {
  const { update } = state;
  return isUnderWay(update) ? { ...state, update: { ...attemptOf(update), state: 'offered' } } : state;
}

function desired(state: SlotState, target: Target | undefined): Step {
  const { update, committed } = state;
  if (!target) return stop(state);
  // A first candidate that was blocked meanwhile is not left serving for want of a better one.
  const why = tookOver(update) && !committed && 'target' in update ? whyBlocked(state, update.target.digest) : undefined;
  const step = offer(state, target);
  if (why === undefined || 'refused' in step) return step;
  return { state: { ...step.state, halted: why }, effects: [haltedBy(why), ...step.effects] };
}

const haltedBy = (why: string): SlotEffect => ({ type: 'stop-runner', why });

function offer(state: SlotState, target: Target): Step {
  const { update, committed } = state;
  if (update.state !== 'idle' && update.target.deployment === target.deployment) return retime(state, update, target);
  const cancel: SlotEffect[] = isUnderWay(update) ? [{ type: 'cancel' }] : [];
  if (committed?.digest === target.digest) return commitAgain(state, target, committed, cancel);
  const back = committed && tookOver(update) ? bringUp(state, committed) : undefined;
  const { state: base, serve } = back ?? { state, serve: undefined };
  const offered = offerAgain(base, { target, run: 0, interruptions: 0, signalDeaths: 0 });
  return { state: offered.state, effects: [...cancel, ...(serve ? [serve] : []), ...offered.effects] };
}

/** The same deployment at another time: nothing is disturbed, and what is held waits for the new one. */
function retime(state: SlotState, update: Exclude<Update, { state: 'idle' }>, { activate }: Target): Step {
  if (!isUnderWay(update) || isSame(update.target.activate, activate)) return { state, effects: [] };
  const target = { ...update.target, activate };
  if (update.state !== 'held') return { state: { ...state, update: { ...update, target } }, effects: [] };
  const held = hold(state, { ...update, target }, update.variant, update.note);
  return { state: held.state, effects: [{ type: 'cancel' }, ...held.effects] };
}

/** The digest is proven here: nothing to fetch, and whatever was under way ends. */
function commitAgain(state: SlotState, target: Target, committed: Committed, cancel: readonly SlotEffect[]): Step {
  const { deployment, release } = target;
  const up = bringUp(state, { ...committed, deployment, release });
  const done = enter(up.state, { state: 'committed', target, variant: committed.variant });
  return { state: done.state, effects: [...cancel, up.serve, ...done.effects] };
}

function offerAgain(state: SlotState, from: Omit<UnderWay, 'state'>, cause?: Cause) {
  const run = state.runs + 1;
  const update: UnderWay = { ...attemptOf(from), run, state: 'offered' };
  return enter({ ...state, runs: run }, update, [{ type: 'resolve', run, target: from.target }], cause);
}

function stop(state: SlotState): Step {
  const { update, committed, runs } = state;
  const last = update.state === 'idle' ? committed : update.target;
  if (!last) return { state, effects: [] };
  const { deployment, digest } = last;
  const why = whyBlocked(state, digest);
  const report: Report = { type: 'report', deployment, digest, state: 'idle', reason: why };
  const idle: SlotState = {
    runs,
    serving: { run: 0, deaths: [], steady: false, safe: false },
    update: { state: 'idle' },
    ...(state.blocked && { blocked: state.blocked }),
    ...(why !== undefined && { halted: why }),
  };
  const gone: SlotEffect = why === undefined ? { type: 'stop-runner' } : haltedBy(why);
  return { state: idle, effects: [{ type: 'cancel' }, gone, report, { type: 'collect' }] };
}

function advance(state: SlotState, event: CandidateEvent): Step {
  const { update } = state;
  if (!isUnderWay(update) || update.run !== event.run) return refuse(state, event);
  const attempt = attemptOf(update);
  const { run, target } = attempt;
  switch (event.type) {
    case 'resolved': {
      if (update.state !== 'offered') return refuse(state, event);
      const { variants } = event;
      return enter(state, { ...attempt, state: 'resolved', variants }, [{ type: 'download', run, target, variants }]);
    }
    case 'downloading':
      if (update.state !== 'resolved' && update.state !== 'waiting') return refuse(state, event);
      return enter(state, { ...attempt, state: 'downloading', variants: update.variants });
    case 'waiting': {
      if (update.state !== 'resolved' && update.state !== 'downloading') return refuse(state, event);
      const cause: Cause = { failure: 'transport', reason: event.reason };
      return enter(state, { ...attempt, state: 'waiting', variants: update.variants }, [], cause);
    }
    case 'downloaded': {
      if (update.state !== 'resolved' && update.state !== 'downloading' && update.state !== 'waiting')
        return refuse(state, event);
      const { variants } = update;
      return enter(state, { ...attempt, state: 'verified', variants }, [{ type: 'preflight', run, target, variants }]);
    }
    case 'preflighting':
      if (update.state !== 'verified') return refuse(state, event);
      return enter(state, { ...attempt, state: 'preflight', variants: update.variants });
    case 'compiling':
      if (update.state !== 'preflight') return refuse(state, event);
      return enter(state, { ...attempt, state: 'compiling', variants: update.variants }, [], { reason: event.reason });
    case 'preflighted':
      if (update.state !== 'verified' && update.state !== 'preflight' && update.state !== 'compiling')
        return refuse(state, event);
      return target.activate
        ? hold(state, update, event.variant, event.note)
        : stage(state, update, event.variant, { reason: event.note });
    case 'allowed':
      return update.state === 'held' ? stage(state, update, update.variant, { reason: update.note }) : refuse(state, event);
    case 'activated':
      if (update.state !== 'staged') return refuse(state, event);
      return enter(state, { ...attempt, state: 'probation', variant: update.variant, since: event.at }, [], {
        reason: event.note,
      });
    case 'rejected':
      if (update.state !== 'offered') return refuse(state, event);
      return enter(state, { state: 'rejected', target, failure: event.failure, reason: event.reason });
    case 'failed':
      return update.state === 'probation' ? refuse(state, event) : fail(state, update, event);
    case 'swap-failed':
      return update.state === 'staged' ? rollBack(state, update, event) : refuse(state, event);
  }
}

function hold(state: SlotState, update: UnderWay, variant: string, note: string | undefined) {
  const run = state.runs + 1;
  const attempt = { ...attemptOf(update), run };
  const { target } = attempt;
  return enter(
    { ...state, runs: run },
    { ...attempt, state: 'held', variant, note },
    [{ type: 'await-activation', run, target }],
    { reason: target.activate?.hold ? 'ready; waits to be told to take over' : 'ready; waits for its time to take over' },
  );
}

function stage(state: SlotState, update: UnderWay, variant: string, told?: Told): Step {
  const run = state.runs + 1;
  const attempt = { ...attemptOf(update), run };
  const { target } = attempt;
  return enter(
    { ...state, runs: run },
    { ...attempt, state: 'staged', variant },
    [{ type: 'activate', run, target, variant }],
    told,
  );
}

/** Before probation: the incumbent serves on. It is asked for again, since loading the candidate may have cut its restart short. */
function fail(state: SlotState, update: UnderWay, { failure, reason }: Cause): Step {
  const up = update.state === 'staged' && state.committed ? bringUp(state, state.committed) : undefined;
  const base = up?.state ?? state;
  const variant = 'variant' in update ? update.variant : undefined;
  const ended =
    failure === 'interrupted'
      ? retry(base, update, reason)
      : enter(base, { state: 'failed', target: update.target, failure, reason, variant });
  return { state: ended.state, effects: [...ended.effects, ...(up ? [up.serve] : [])] };
}

/** Returns to the last committed digest, never to whatever ran before. */
function rollBack(state: SlotState, update: Extract<UnderWay, { variant: string }>, { failure, reason }: Cause): Step {
  const { target, variant } = update;
  const up = state.committed ? bringUp(state, state.committed) : undefined;
  const back: SlotEffect = up ? up.serve : { type: 'stop-runner' };
  return enter(up?.state ?? state, { state: 'rolling-back', target, failure, reason, variant }, [back]);
}

function probationBeats(state: SlotState, event: Heartbeat): Step {
  const update = state.update as Extract<UnderWay, { state: 'probation' }>;
  const judged = judgeProbation(event, event.at - update.since, update.target.probation);
  switch (judged.verdict) {
    case 'wait':
      return { state, effects: [] };
    case 'unhealthy':
      return rollBack(state, update, { failure: 'health', reason: judged.reason });
    case 'commit':
      return commit(state, update, 'committed', event.at);
    case 'commit-unproven':
      return commit(state, update, 'committed-unproven', event.at);
  }
}

function commit(
  state: SlotState,
  update: Extract<UnderWay, { state: 'probation' }>,
  as: 'committed' | 'committed-unproven',
  at: number,
): Step {
  const { target, variant, run } = update;
  const { deployment, digest, release } = target;
  const serving = { run, since: at, deaths: [], steady: false, safe: false };
  const committed: Committed = { deployment, digest, release, variant };
  const next: SlotState = { ...state, committed, previous: state.committed, serving, halted: undefined };
  return enter(next, { state: as, target, variant }, [{ type: 'collect' }]);
}

function died(state: SlotState, event: Died): Step {
  const { update } = state;
  if (onProbation(state, event.run)) return diedOnProbation(state, update as Extract<UnderWay, { state: 'probation' }>, event);
  if (update.state === 'staged' && update.run === event.run) return rollBack(state, update, event.death);
  // The candidate takes over in a moment; if it can't, the committed release is brought up again then.
  if (tookOver(update)) return refuse(state, event);
  return servingDied(state, event);
}

/** The first time somebody else ended it, that says nothing about the release: it begins its probation anew. */
function diedOnProbation(state: SlotState, update: Extract<UnderWay, { state: 'probation' }>, { death }: Died): Step {
  if (!death.outside || update.signalDeaths > 0) return rollBack(state, update, death);
  const again = { ...update, signalDeaths: update.signalDeaths + 1 };
  return stage(state, again, update.variant, { failure: 'interrupted', reason: death.reason });
}

function served(state: SlotState, event: Served): Step {
  const step = servingUp(state, event);
  return 'refused' in step || state.update.state !== 'rolling-back' ? step : endRollBack(step.state, state.update, event.note);
}

function stopped(state: SlotState): Step {
  const { update, committed } = state;
  if (update.state !== 'rolling-back' || committed) return { refused: `cannot be stopped while ${update.state}` };
  return endRollBack(state, update);
}

const endRollBack = (state: SlotState, update: Fallen, note?: string): Step =>
  enter(state, { ...update, state: 'rolled-back', reason: note === undefined ? update.reason : `${update.reason}; ${note}` });

/** Every move is reported. */
function enter(state: SlotState, update: Exclude<Update, { state: 'idle' }>, then: readonly SlotEffect[] = [], told?: Told) {
  const next: SlotState = { ...state, update };
  return { state: next, effects: [reportOf(update, next, told), ...then] };
}

function reportOf(update: Exclude<Update, { state: 'idle' }>, { committed }: SlotState, told?: Told): Report {
  const { deployment, digest } = update.target;
  const { failure, reason } = told ?? ('failure' in update ? update : {});
  const variant = 'variant' in update ? update.variant : undefined;
  const at = asTold(update.state);
  return { type: 'report', deployment, digest, state: at, failure, reason, variant, committed: committed?.digest };
}

const isSame = (a: Activate = {}, b: Activate = {}) => a.after === b.after && a.before === b.before && a.hold === b.hold;
const isUnderWay = (update: Update): update is UnderWay => 'run' in update;
/** The candidate serves, or is about to: the committed release's runner is gone, or goes. */
const tookOver = (update: Update) => update.state === 'staged' || update.state === 'probation';
const onProbation = ({ update }: SlotState, run: number) => update.state === 'probation' && update.run === run;
const attemptOf = ({ target, run, interruptions, signalDeaths }: Omit<UnderWay, 'state'>) => ({
  target,
  run,
  interruptions,
  signalDeaths,
});
const refuse = ({ update }: SlotState, { type }: SlotEvent): Step => ({ refused: `cannot take ${type} while ${update.state}` });
