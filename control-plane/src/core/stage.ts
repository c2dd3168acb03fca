import type { GateVerdict, RolloutPlan } from '@flotilla/protocol';
import { addCounts, bestSuccess, coverage, decided, eligible, noCounts, success, type Counts } from './counts.js';
import { isAbsolute, judgeGate, noEvidence, type Evidence } from './gate.js';
import type { Observation, StageProgress, Time } from './rollout.js';

/** What somebody accepted when resuming: so many failed devices, these gates, a thin coverage. */
export type Accepted = Readonly<{ failed: number; metrics: readonly string[]; coverage: boolean }>;

export type StageVerdict =
  | { type: 'breach'; detail: string; metrics: string[]; toAccept: Accepted }
  | { type: 'inconclusive'; detail: string; metrics: string[] }
  | { type: 'passed'; detail: string }
  | { type: 'covered' | 'soaked' | 'waiting' };

/** Verdicts of a stage's gates as they stand. */
export const judgeGates = (plan: RolloutPlan, evidence: Evidence): GateVerdict[] =>
  plan.gates.map((gate) => judgeGate(gate, evidence));

/** The order matters: a breach always speaks first, and nothing advances on silence. */
export function judgeStage(plan: RolloutPlan, progress: StageProgress, at: Time, observation: Observation): StageVerdict {
  const counts = observation.stages[progress.stage]?.counts ?? noCounts;
  const gates = judgeGates(plan, observation.stages[progress.stage]?.evidence ?? noEvidence).filter(
    (gate) => !progress.accepted?.metrics.includes(gate.metric),
  );
  if (eligible(counts) === 0 && counts.already > 0)
    return { type: 'passed', detail: 'every device of the stage was on the release already' };
  return (
    breachOf(plan, progress, observation, gates) ??
    (isCovered(plan, progress, counts)
      ? judgeEvidence(plan, progress, at, gates, counts)
      : judgeCoverage(plan, progress, at, counts))
  );
}

function breachOf(
  plan: RolloutPlan,
  progress: StageProgress,
  observation: Observation,
  gates: GateVerdict[],
): StageVerdict | undefined {
  const counts = observation.stages[progress.stage]?.counts ?? noCounts;
  const opened = observation.stages.slice(0, progress.stage + 1).map((s) => s.counts);
  const failures =
    failureOf(plan, progress, counts, 'of the stage') ??
    failureOf(plan, progress, opened.reduce(addCounts, noCounts), 'of the rollout so far');
  const breached = gates.filter((gate) => gate.verdict === 'breach');
  if (!failures && breached.length === 0) return undefined;
  return {
    type: 'breach',
    detail: [...(failures ? [failures] : []), ...breached.map((gate) => gate.evidence)].join('; '),
    metrics: breached.map((gate) => gate.metric),
    toAccept: {
      failed: opened.reduce(addCounts, noCounts).failedArtifact,
      metrics: breached.map((gate) => gate.metric),
      coverage: false,
    },
  };
}

/** Certain already: even if all others commit, success cannot be reached. */
function failureOf(plan: RolloutPlan, { accepted }: StageProgress, counts: Counts, whose: string): string | undefined {
  const failed = Math.max(0, counts.failedArtifact - (accepted?.failed ?? 0));
  if (failed === 0 || bestSuccess({ ...counts, failedArtifact: failed }) >= plan.success.committed) return undefined;
  return `${failed} of ${eligible(counts)} devices ${whose} failed on the release; ${percent(plan.success.committed)} must commit`;
}

function isCovered(plan: RolloutPlan, { accepted }: StageProgress, counts: Counts): boolean {
  const { committed, coverage: needed, minDecided, maxDeferred } = plan.success;
  const judged = { ...counts, failedArtifact: Math.max(0, counts.failedArtifact - (accepted?.failed ?? 0)) };
  if (accepted?.coverage) return counts.waiting + counts.open === 0 || coverage(counts) >= needed;
  const enough = decided(counts) >= minDecided && coverage(counts) >= needed;
  const all = eligible(counts);
  return enough && all > 0 && (success(judged) ?? 0) >= committed && counts.deferred / all <= maxDeferred;
}

/** Covered: soak, then wait for the gates' evidence until the stage's deadline. */
function judgeEvidence(plan: RolloutPlan, progress: StageProgress, at: Time, gates: GateVerdict[], counts: Counts): StageVerdict {
  const stage = plan.stages[progress.stage]!;
  if (progress.stagePhase === 'activating') return { type: 'covered' };
  if (progress.stagePhase === 'soaking')
    return at - progress.soakingSince! >= stage.soak * 1000 ? { type: 'soaked' } : { type: 'waiting' };
  const missing = gates.filter((gate) => gate.verdict === 'insufficient');
  if (missing.length === 0) return { type: 'passed', detail: passedInWords(counts, gates) };
  if (at < deadlineOf(plan, progress)) return { type: 'waiting' };
  return {
    type: 'inconclusive',
    detail: missing.map((gate) => `${gate.metric}: ${gate.evidence}`).join('; '),
    metrics: missing.map((gate) => gate.metric),
  };
}

function judgeCoverage(plan: RolloutPlan, progress: StageProgress, at: Time, counts: Counts): StageVerdict {
  if (counts.waiting + counts.open > 0 && at < deadlineOf(plan, progress)) return { type: 'waiting' };
  return { type: 'inconclusive', detail: uncoveredInWords(counts), metrics: [] };
}

export const deadlineOf = (plan: RolloutPlan, progress: StageProgress): Time =>
  progress.openedAt + plan.stages[progress.stage]!.deadline * 1000;

/** A plan that could never progress, or whose every gate might not apply, is refused when it is made. */
export function planProblems(plan: RolloutPlan, stageSizes: readonly number[]): string[] {
  const problems = stageSizes.flatMap((size, i) => (size === 0 ? [`stage "${plan.stages[i]!.name}" would have no device`] : []));
  if (!plan.gates.some(isAbsolute))
    problems.push('no gate holds without an incumbent: add one on errors, or compute.mean with maxMs');
  const { minDecided } = plan.success;
  stageSizes.forEach((size, i) => {
    if (size > 0 && size < minDecided)
      problems.push(`stage "${plan.stages[i]!.name}" has ${size} devices but minDecided is ${minDecided}`);
  });
  return problems;
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
