import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DataSource } from 'typeorm';
import { aControlPlane, type TestControlPlane } from '../support/control-plane.js';
import { aRelease, digestOfRelease, pushed } from '../support/releases.js';
import type { Bench, Figure } from './figure.js';
import { takenAway } from './exports.js';
import { quantile } from './statistics.js';
import { fill } from './telemetry-fill.js';

const [old, newer] = [aRelease('1.0.0'), aRelease('1.1.0')];
const day = 86_400_000;
const midnight = (ago: number) => new Date(Math.floor(Date.now() / day) * day - ago * day).toISOString();
const yesterday = `since=${midnight(1)}&until=${midnight(0)}`;

/** By the level that the issue names for them. */
const questions: Readonly<Record<'rollup' | 'label' | 'vitals', Readonly<Record<string, string>>>> = {
  rollup: {
    'releases, 30 days': 'telemetry?since=30d',
    'release × variant, 1 hour': 'telemetry?by=release,variant&since=1h',
    'release × class, 1 day': 'telemetry?by=release,hardwareClass&since=1d',
    'sites, 7 days': 'telemetry?by=label:site&since=7d',
    'a release by hour, 2 days': 'telemetry?step=hour&since=2d&release=product-classifier@1.1.0',
    'releases by minute, 2 hours': 'telemetry?step=minute&since=2h',
    'releases by day, 30 days': 'telemetry?step=day&since=30d',
    'a device, 30 days': 'telemetry?by=device&device=d-77&since=30d',
    'a device by hour, 30 days': 'telemetry?by=device&device=d-77&since=30d&step=hour',
    'two releases, 30 days': 'telemetry/compare?a=product-classifier@1.0.0&b=product-classifier@1.1.0&since=30d',
  },
  label: {
    'a label, 1 day': `telemetry?by=label:line&${yesterday}`,
    'a label of a group, 1 day': `telemetry?by=label:site&group=some&${yesterday}`,
    'a selector, 1 day': `telemetry?selector=line%3Dline-2&${yesterday}`,
    'groups, 1 day': `telemetry?by=group&${yesterday}`,
    'devices, 1 day': `telemetry?by=device&order=errorRate&${yesterday}`,
    'most errors, 1 day': `telemetry/offenders?by=errorRate&${yesterday}`,
    'slowest, 1 day': `telemetry/offenders?by=latency&${yesterday}`,
  },
  vitals: {
    'vitals by label, 30 days': 'telemetry/vitals?by=label:site&since=30d',
    'vitals by group, 30 days': 'telemetry/vitals?by=group&since=30d&order=cpu',
    'hottest devices, 30 days': 'telemetry/vitals?by=device&since=30d',
    'vitals by label and day, 30 days': 'telemetry/vitals?by=label:line&step=day&since=30d',
    'vitals by class, 1 day': 'telemetry/vitals?by=hardwareClass&since=1d',
    'vitals by label and hour, 1 day': 'telemetry/vitals?by=label:line&step=hour&since=1d',
    'vitals of a selector, 7 days': 'telemetry/vitals?by=label:site&selector=line%3Dline-2&since=7d',
    'a board by hour, 30 days': 'telemetry/vitals?device=d-77&since=30d&step=hour',
  },
};

/** Answers over HTTP, from a database with a month of a whole fleet. */
export const telemetryQueries: Bench = {
  about:
    'answers from rollups of 10,000 devices and 30 days, tables taken away (--devices, --days, --rounds, --export-days; --data DIR keeps them)',
  async run(log, flags) {
    const [devices, days, rounds] = [flags.count('devices', 10_000), flags.count('days', 30), flags.count('rounds', 20)];
    const exported = Math.min(days, flags.count('export-days', 4));
    const kept = flags.value('data');
    // As the program itself starts, so that what it keeps is what is measured.
    await import('@flotilla/control-plane/small-heap');
    const cp = await aControlPlane({ logLevel: 'warn', ...(kept && { dataDir: kept }) });
    const ended = endedBy(cp);
    try {
      log(`rollups of ${devices} devices and ${days} days:`);
      await filledOnce(cp, { devices, days }, log);
      const figures = {
        devices: { value: devices, unit: 'count' },
        days: { value: days, unit: 'count' },
        rollup_p95_ms: { value: await worst(cp, 'rollup', rounds, log), unit: 'ms', reach: '< 300' },
        label_day_p95_ms: { value: await worst(cp, 'label', rounds, log), unit: 'ms', reach: '< 1000' },
        vitals_p95_ms: { value: await worst(cp, 'vitals', rounds, log), unit: 'ms', reach: '< 1000' },
      } satisfies Record<string, Figure>;
      await cp.halt();
      return { ...figures, ...(await takenAway(cp.dataDir, `since=${midnight(exported)}&until=${midnight(0)}`, exported, log)) };
    } finally {
      ended[Symbol.dispose]();
      await (kept ? cp.halt() : cp.stop());
    }
  },
};

/** A folder that is kept is filled once a day: what is asked for reaches back from now. */
async function filledOnce(cp: TestControlPlane, size: Readonly<Record<'devices' | 'days', number>>, log: (line: string) => void) {
  const note = join(cp.dataDir, 'filled.json');
  const meant = JSON.stringify({ ...size, on: midnight(0) });
  const found = await readFile(note, 'utf8').catch(() => undefined);
  if (found === meant) return log('  are there from before');
  if (found) throw new Error(`${cp.dataDir} was filled with ${found}, not ${meant}: delete it, or leave --data out`);
  for (const release of [old, newer]) await pushed(cp, release);
  await fill(cp.app.get(DataSource), { ...size, digests: [digestOfRelease(old), digestOfRelease(newer)] }, log);
  await writeFile(note, meant);
}

/** Its tables are not logged: a database that is not stopped in order loses them. */
function endedBy(cp: TestControlPlane): Disposable {
  const end = () => void cp.halt().finally(() => process.exit(1));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, end);
  return { [Symbol.dispose]: () => ['SIGINT', 'SIGTERM'].forEach((signal) => process.off(signal, end)) };
}

/** The p95 of the slowest question of its kind. */
async function worst(
  cp: TestControlPlane,
  kind: keyof typeof questions,
  rounds: number,
  log: (line: string) => void,
): Promise<number> {
  const p95s: number[] = [];
  for (const [name, path] of Object.entries(questions[kind])) {
    const ms: number[] = [];
    let level = '';
    for (let round = 0; round < rounds; round++) {
      const begun = performance.now();
      const { status, body } = await cp.api('GET', path);
      if (status !== 200) throw new Error(`${path}: ${JSON.stringify(body)}`);
      ms.push(performance.now() - begun);
      level = `${body.level}, ${(body.items ?? body.metrics).length} rows`;
    }
    p95s.push(quantile(ms, 0.95));
    log(
      `  ${name.padEnd(28)} p50 ${quantile(ms, 0.5).toFixed(0).padStart(5)} ms  p95 ${p95s.at(-1)!.toFixed(0).padStart(5)} ms  (${level})`,
    );
  }
  return Math.max(...p95s);
}
