import type { RolloutPreview, RolloutSummary, RolloutView, StageView } from '@flotilla/protocol';
import { describeCalendars } from './calendars.js';
import { facts, table } from './output.js';

const ends: readonly RolloutView['phase'][] = [
  'completed',
  'rejected',
  'rolled-back',
  'rollback-incomplete',
  'cancelled',
  'superseded',
  'killed',
  'paused',
];
/** Nothing moves any more without somebody's command. */
export const isOver = (rollout: RolloutView) => ends.includes(rollout.phase);

/** A rollout in words: where it is and why, stages with counts, gates with the figures they rest on. */
export const describeRollout = (rollout: RolloutView): string =>
  [
    facts({
      rollout: `${rollout.name} (${rollout.id})`,
      release: rollout.release,
      slot: rollout.slot,
      phase: `${rollout.phase}${rollout.reason ? ` (${rollout.reason})` : ''}`,
      because: rollout.detail,
      ...(rollout.summary && inShort(rollout.summary)),
    }),
    table(stageRows(rollout.stages), 'no stage'),
    table(
      rollout.stages.filter((stage) => stage.phase !== 'pending').flatMap((stage) => [...gateRows(stage), ...checkRows(stage)]),
      'no gate has evidence yet',
    ),
  ].join('\n\n');

/** How long it took, what changed, and what was accepted on the way. */
const inShort = ({ startedAt, endedAt, stages, changed, accepted }: RolloutSummary) => ({
  took: [
    duration((Date.parse(endedAt) - Date.parse(startedAt)) / 1000),
    ...(stages.length > 1 ? [`(${stages.map(({ name, tookS }) => `${name} ${duration(tookS)}`).join(', ')})`] : []),
  ].join(' '),
  changed: changed.map(({ from, devices }) => `${devices} devices from ${from ?? 'nothing'}`).join(', ') || 'nothing',
  accepted: accepted.map(({ by, reason, instead }) => `"${reason}" by ${by}, for: ${instead}`).join('; ') || undefined,
});

const duration = (seconds: number) =>
  seconds < 90
    ? `${Math.round(seconds)} s`
    : seconds < 5400
      ? `${Math.round(seconds / 60)} min`
      : `${(seconds / 3600).toFixed(1)} h`;

/** Who falls in which stage, and what speaks against the plan. */
export const describePreview = ({
  problems,
  stages,
  rejected,
  leftOut,
  leastS,
  mostBytes,
  unheard,
  calendars,
}: RolloutPreview): string =>
  [
    facts({
      plan: problems.length > 0 ? `would be refused: ${problems.join('; ')}` : 'can be created',
      'at least': `${Math.round(leastS / 60)} min of soaking`,
      'at most': `${(mostBytes / 1e6).toFixed(1)} MB to download`,
      'no evidence': unheard.length > 0 ? unheard.join('; ') : undefined,
      'left out': leftOut > 0 ? `${leftOut} devices that no stage takes` : undefined,
    }),
    table(
      stages.map(({ name, devices, offline, hardwareClasses, first }) => ({
        stage: name,
        devices,
        offline,
        'hardware classes': Object.keys(hardwareClasses).length,
        first: first.slice(0, 5).join(', ') + (devices > 5 ? ', …' : ''),
      })),
      'no stage',
    ),
    ...(calendars.length > 0 ? [describeCalendars(calendars)] : []),
    ...(rejected.length > 0 ? [table(rejected, '')] : []),
  ].join('\n\n');

function stageRow({ name, phase, counts }: StageView) {
  const { already, waiting, committed, open, unproven, failedArtifact, failedPlace, timedOut, rejected, deferred, rolledBack } =
    counts;
  return {
    stage: name,
    phase,
    already,
    waiting,
    open,
    committed,
    unproven,
    failed: failedArtifact,
    place: failedPlace + timedOut + rejected,
    deferred,
    'rolled back': rolledBack,
  };
}

/** A column for what is rare only where there is some. */
function stageRows(stages: readonly StageView[]) {
  const some = stages.some(({ counts }) => counts.superseded);
  return stages.map((stage) => ({ ...stageRow(stage), ...(some ? { superseded: stage.counts.superseded ?? 0 } : {}) }));
}

const gateRows = ({ name, gates }: StageView) =>
  gates.map((gate) => ({
    stage: name,
    gate: gate.metric,
    verdict: gate.dryRun ? `${gate.verdict} (dry run)` : gate.verdict,
    evidence: gate.evidence,
  }));

const checkRows = ({ name, checks = [] }: StageView) =>
  checks.map((check) => ({
    stage: name,
    gate: check.name,
    verdict: check.dryRun ? `${check.verdict} (dry run)` : check.verdict,
    evidence: `${check.detail}${check.times > 1 ? ` (${check.times} times in a row)` : ''}`,
  }));
