import { badge, element, faint, row, time } from './page-dom.js';

const countNames = {
  already: 'on it already',
  waiting: 'waiting',
  open: 'under way',
  committed: 'committed',
  unproven: 'unproven',
  failedArtifact: 'failed by the release',
  failedPlace: 'failed by the place',
  timedOut: 'timed out',
  rejected: 'rejected',
  deferred: 'deferred',
  rolledBack: 'rolled back',
};
function countsInWords(counts) {
  const words = Object.entries(countNames).flatMap(([key, name]) => (counts[key] > 0 ? [`${counts[key]} ${name}`] : []));
  return words.length > 0 ? words.join(', ') : 'nothing yet';
}

const gate = (verdict) =>
  element('li', {}, badge(verdict.verdict), ` ${verdict.metric}${verdict.dryRun ? ' (dry run)' : ''}: ${verdict.evidence}`);

/** What somebody outside said, and how often in a row. */
const check = ({ name, verdict, detail, times, dryRun }) =>
  element(
    'li',
    {},
    badge(verdict),
    ` ${name}${dryRun ? ' (dry run)' : ''}: ${detail}${times > 1 ? ` (${times} times in a row)` : ''}`,
  );

function verdicts({ gates, checks = [] }) {
  const lines = [...gates.map(gate), ...checks.map(check)];
  return lines.length > 0 ? element('ul', {}, lines) : '';
}

/** When the plan lets devices be offered the release, and begin to run it. */
function windowsInWords({ windows = {}, blackouts = [] }) {
  const hours = (seconds) => (seconds % 3600 === 0 ? `${seconds / 3600} h` : `${Math.round(seconds / 60)} min`);
  const open = ['download', 'activate'].flatMap((kind) =>
    (windows[kind] ?? []).map(({ cron, duration, zone }) => `${kind}: ${cron} for ${hours(duration)} (${zone})`),
  );
  return [...open, ...blackouts.map(({ from, to, zone, reason }) => `nothing from ${from} to ${to} (${zone}): ${reason}`)];
}

export function rolloutRows(rollout) {
  const name = [element('strong', {}, rollout.name), faint(`${rollout.release} in slot ${rollout.slot}`)];
  const phase = [badge(rollout.phase), rollout.reason && faint(rollout.reason)];
  const told = [rollout.detail ?? '', windowsInWords(rollout.plan).map((line) => faint(line))];
  const stages = rollout.stages.map((stage) =>
    row(
      [
        stage.name,
        badge(stage.phase),
        [element('p', {}, countsInWords(stage.counts)), stage.phase === 'pending' ? '' : verdicts(stage)],
        '',
      ],
      { class: 'stage' },
    ),
  );
  return [row([name, phase, told, time(rollout.updatedAt)]), ...stages];
}

/** Its counts and evidence grow without an event. */
export const isMoving = ({ phase }) => phase === 'running' || phase === 'rolling-back';
