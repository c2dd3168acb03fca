import type { GateVerdict, PlanGate, RolloutPlan } from '@flotilla/protocol';
import { owed, refusals, unanswered } from './check.js';
import { addCounts, bestSuccess, coverage, decided, eligible, noCounts, placeFailures, success, type Counts } from './counts.js';
import { isAbsolute, judgeGate, oddsOf } from './gate.js';
import { offeredByBytes, shareBy } from './pace.js';
import type { Accepted, Observation, StageProgress, StateOf, Time } from './rollout-state.js';

type StageVerdict =
  | { type: 'breach'; detail: string; toAccept: Accepted }
  | { type: 'place-breach'; detail: string; toAccept: Accepted }
  | { type: 'inconclusive'; detail: string; toAccept: Accepted }
  | { type: 'unanswered'; detail: string; toAccept: Accepted }
  | { type: 'passed'; detail: string }
  | { type: 'covered' | 'soaked' | 'waiting' };

export const gatesOf = (plan: RolloutPlan, stage: number): readonly PlanGate[] => plan.stages[stage]!.gates ?? plan.gates;

/** How many tests might raise a false alarm: each deciding gate, in each hardware class of its stage. `classes`: by stage. */
export const alarmsOf = (plan: RolloutPlan, classes: readonly number[]): number =>
  plan.stages.reduce(
    (sum, _, stage) =>
      sum +
      gatesOf(plan, stage)
        .filter((gate) => !gate.dryRun)
        // Devices with an unsteady incumbent are judged apart by the gate on compute time.
        .reduce((tests, { metric }) => tests + Math.max(1, classes[stage] ?? 1) * (metric === 'compute.mean' ? 2 : 1), 0),
    0,
  );

/** Verdicts of a stage's gates as they stand. */
export function judgeGates(plan: RolloutPlan, stage: number, { stages, alarms }: Observation): GateVerdict[] {
  const odds = oddsOf(plan.evidence, alarms);
  return gatesOf(plan, stage).map((gate, index) => judgeGate(gate, stages[stage]?.gates[index] ?? {}, odds));
}

/** The order matters: a breach always speaks first, and nothing advances on silence. */
export function judgeStage(plan: RolloutPlan, progress: StageProgress, at: Time, observation: Observation): StageVerdict {
  const counts = observation.stages[progress.stage]?.counts ?? noCounts;
  const breach = breachOf(plan, progress, observation);
  if (breach) return breach;
  const silent = unanswered(plan, progress, observation);
  if (silent.length > 0) return { type: 'unanswered', detail: inOne(silent), toAccept: accepting(progress, silent) };
  if (eligible(counts) === 0 && counts.already > 0)
    return { type: 'passed', detail: 'every device of the stage was on the release already' };
  return isCovered(plan, progress, counts)
    ? judgeEvidence(plan, progress, at, observation)
    : judgeCoverage(plan, progress, at, counts);
}

/** What came of a stage after it passed counts on: its failures against the rollout, its evidence against its gates. */
function breachOf(plan: RolloutPlan, progress: StageProgress, observation: Observation): StageVerdict | undefined {
  const opened = observation.stages.slice(0, progress.stage + 1).map((s) => s.counts);
  const all = opened.reduce(addCounts, noCounts);
  const counts = opened[progress.stage] ?? noCounts;
  const { stage, accepted } = progress;
  const artifact =
    failureOf(plan, counts, accepted?.failed[stage] ?? 0, 'of the stage') ??
    failureOf(plan, all, sum(accepted?.failed), 'of the rollout so far');
  const breached = [
    ...opened.flatMap((_, i) => breachedGates(plan, i, progress, observation)),
    ...refusals(plan, progress, observation),
  ];
  const toAccept: Accepted = {
    failed: opened.map((c) => c.failedArtifact),
    place: opened.map(placeFailures),
    metrics: [...(accepted?.metrics ?? []), ...breached.map((b) => b.key)],
    coverage: accepted?.coverage ?? false,
  };
  if (artifact || breached.length > 0)
    return { type: 'breach', detail: [...(artifact ? [artifact] : []), ...breached.map((b) => b.evidence)].join('; '), toAccept };
  const place = placeOf(plan, counts, accepted?.place[stage] ?? 0);
  return place === undefined ? undefined : { type: 'place-breach', detail: place, toAccept };
}

function breachedGates(plan: RolloutPlan, stage: number, { accepted }: StageProgress, observation: Observation) {
  return judgeGates(plan, stage, observation)
    .map((gate) => ({ ...gate, key: `${stage}/${gate.metric}` }))
    .filter((gate) => gate.verdict === 'breach' && !gate.dryRun && !accepted?.metrics.includes(gate.key));
}

/** Certain already: even if all others commit, success cannot be reached. */
function failureOf(plan: RolloutPlan, counts: Counts, accepted: number, whose: string): string | undefined {
  const failed = Math.max(0, counts.failedArtifact - accepted);
  if (failed === 0 || bestSuccess({ ...counts, failedArtifact: failed }) >= plan.success.committed) return undefined;
  return `${failed} of ${eligible(counts)} devices ${whose} failed on the release; ${percent(plan.success.committed)} must commit`;
}

/** An outage is no fault of the release, but no time to go on either. One device alone is left to coverage. */
function placeOf(plan: RolloutPlan, counts: Counts, accepted: number): string | undefined {
  const failed = placeFailures(counts) - accepted;
  if (failed < 2 || failed / eligible(counts) <= plan.success.maxPlaceFailures) return undefined;
  return `${failed} of ${eligible(counts)} devices of the stage failed for reasons of the place, ${percent(plan.success.maxPlaceFailures)} may (${counts.failedPlace} failed, ${counts.timedOut} timed out, ${counts.rejected} rejected); nothing is taken back`;
}

function isCovered(plan: RolloutPlan, { stage, accepted }: StageProgress, counts: Counts): boolean {
  const { committed, coverage: needed, minDecided, maxDeferred } = plan.success;
  const judged = { ...counts, failedArtifact: Math.max(0, counts.failedArtifact - (accepted?.failed[stage] ?? 0)) };
  if (accepted?.coverage) return counts.waiting + counts.open === 0 || coverage(counts) >= needed;
  const enough = decided(counts) >= minDecided && coverage(counts) >= needed;
  const all = eligible(counts);
  return enough && all > 0 && (success(judged) ?? 0) >= committed && counts.deferred / all <= maxDeferred;
}

/** Covered: soak, then wait for the gates' evidence until the stage's deadline, or as long as the plan waits for evidence. */
function judgeEvidence(plan: RolloutPlan, progress: StageProgress, at: Time, observation: Observation): StageVerdict {
  const { stage, stagePhase, accepted } = progress;
  if (stagePhase === 'activating') return { type: 'covered' };
  if (stagePhase === 'soaking')
    return at - progress.soakingSince! >= plan.stages[stage]!.soak * 1000 ? { type: 'soaked' } : { type: 'waiting' };
  const gates = judgeGates(plan, stage, observation).filter((gate) => !gate.dryRun);
  const missing = [
    ...gates
      .map((gate) => ({ verdict: gate.verdict, key: `${stage}/${gate.metric}`, evidence: `${gate.metric}: ${gate.evidence}` }))
      .filter((g) => g.verdict === 'insufficient' && !accepted?.metrics.includes(g.key)),
    ...owed(plan, progress, observation),
  ];
  if (missing.length === 0) return { type: 'passed', detail: passedInWords(observation.stages[stage]!.counts, gates) };
  if (!isLate(plan, progress, at) && at < evidenceDeadlineOf(plan, progress)) return { type: 'waiting' };
  return {
    type: 'inconclusive',
    detail: inOne(missing),
    toAccept: { ...accepting(progress, missing), coverage: true },
  };
}

function judgeCoverage(plan: RolloutPlan, progress: StageProgress, at: Time, counts: Counts): StageVerdict {
  if (counts.waiting + counts.open > 0 && !isLate(plan, progress, at)) return { type: 'waiting' };
  return {
    type: 'inconclusive',
    detail: uncoveredInWords(counts),
    toAccept: { ...(progress.accepted ?? nothingAccepted), coverage: true },
  };
}

const inOne = (said: readonly { evidence: string }[]) => said.map(({ evidence }) => evidence).join('; ');
const accepting = ({ accepted = nothingAccepted }: StageProgress, said: readonly { key: string }[]): Accepted => ({
  ...accepted,
  metrics: [...accepted.metrics, ...said.map(({ key }) => key)],
});
const nothingAccepted: Accepted = { failed: [], place: [], metrics: [], coverage: false };

/** Past the stage's deadline, which does not run while none of its devices may move. */
export const isLate = (plan: RolloutPlan, { openedAt, held, stage }: StageProgress, at: Time): boolean =>
  (held?.since ?? at) >= openedAt + plan.stages[stage]!.deadline * 1000;

/** The stage by the clock that its deadline goes by: one that was held goes on where it stood, and its pace saved nothing up. */
export function clocked(state: StateOf<'running'>, at: Time, { stages, held }: Observation): StateOf<'running'> {
  const { waiting, open } = stages[state.stage]?.counts ?? noCounts;
  const { held: before, pace: _, ...progress } = state;
  if (held && waiting + open > 0 && held.waiting + held.open >= waiting + open)
    return { ...progress, held: { since: before?.since ?? at, why: held.why } };
  return before ? { ...progress, openedAt: progress.openedAt + Math.max(0, at - before.since) } : state;
}

const evidenceDeadlineOf = (plan: RolloutPlan, progress: StageProgress): Time =>
  progress.analysingSince! + plan.evidence.maxWait * 1000;

/** A plan that could never progress, or whose every gate might not apply, is refused when it is made. */
export function planProblems(plan: RolloutPlan, stageSizes: readonly number[], perDevice = 0): string[] {
  const { minDecided } = plan.success;
  return [
    ...stageSizes.flatMap((size, i) => {
      const name = `stage "${plan.stages[i]!.name}"`;
      if (size === 0) return [`${name} would have no device`];
      const within = plan.stages[i]!.deadline * 1000;
      const inTime = Math.min(shareBy(plan.pace, { since: 0, before: 0 }, within), offeredByBytes(plan.pace, perDevice, within));
      return [
        ...(size < minDecided ? [`${name} has ${size} devices but minDecided is ${minDecided}`] : []),
        ...(inTime < size
          ? [`${name} could offer ${inTime} of its ${size} devices within its deadline: raise perMinute, bandwidth or deadline`]
          : []),
      ];
    }),
    ...(plan.stages.every((_, stage) => gatesOf(plan, stage).some(isAbsolute))
      ? []
      : ['no gate holds without an incumbent: add one on errors, or compute.mean with maxMs']),
    ...(plan.approval?.stages ?? []).flatMap((name) =>
      plan.stages.some((stage) => stage.name === name) ? [] : [`approval names a stage "${name}", which the plan has not`],
    ),
  ];
}

const passedInWords = (counts: Counts, gates: GateVerdict[]) =>
  [
    `${counts.committed} of ${eligible(counts)} devices committed`,
    ...gates.filter((g) => g.verdict === 'pass').map((g) => g.evidence),
  ].join('; ');
const uncoveredInWords = (c: Counts) =>
  eligible(c) === 0
    ? 'no device is left in the stage'
    : `${decided(c)} of ${eligible(c)} devices decided (${c.open} open, ${c.unproven} unproven, ${c.failedPlace} failed for reasons of the place, ${c.timedOut} timed out, ${c.rejected} rejected, ${c.deferred} offline)`;
const percent = (share: number) => `${(share * 100).toFixed(0)} %`;
const sum = (numbers: readonly number[] | undefined) => (numbers ?? []).reduce((a, b) => a + b, 0);
