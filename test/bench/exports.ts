import { setTimeout as delay } from 'node:timers/promises';
import { until } from '../support/until.js';
import { Child } from './child.js';
import { aProgram, type Program } from './control-plane-program.js';
import type { Taken, ToRead } from './export-reader-main.js';
import type { Figure } from './figure.js';
import { rssMb } from './process-use.js';

type Log = (line: string) => void;
type Format = 'csv' | 'parquet';
/** As many as a control plane makes at once. */
const atOnce = 4;
const standsStillMs = 10_000;
const program = new URL('./export-reader-main.js', import.meta.url);

/** Hours of every device, read by another process: what the control plane grows by is its own. */
export async function takenAway(dataDir: string, span: string, days: number, log: Log): Promise<Record<string, Figure>> {
  const cp = await aProgram(dataDir);
  const query = (format: Format): ToRead => ({
    url: `${cp.url}/api/v1/telemetry/export?of=device-hours&format=${format}&${span}`,
    token: cp.token,
  });
  try {
    await warmed(cp);
    const csv = await wholly(cp, query('csv'), `${days} days as csv`, log);
    const parquet = await wholly(cp, query('parquet'), `${days} days as parquet`, log);
    const still = await standingStill(cp, [query('csv'), query('parquet')], log);
    return {
      export_rows: { value: csv.lines - 1, unit: 'count' },
      export_csv_mb_per_s: { value: csv.bytes / 1e6 / csv.seconds, unit: 'MB/s', reach: '>= 5' },
      export_parquet_rows_per_s: { value: (csv.lines - 1) / parquet.seconds, unit: '1/s' },
      export_growth_mb: { value: Math.max(csv.growthMb, parquet.growthMb, still.growthMb), unit: 'MB', reach: '<= 64' },
      export_left_ms: { value: still.leftMs, unit: 'ms', reach: '< 1000' },
    };
  } finally {
    await cp.end();
  }
}

/** One that has just started grows by whatever is done first. */
async function warmed({ url, token }: Program): Promise<void> {
  for (let i = 0; i < 20; i++) {
    const asked = await fetch(`${url}/api/v1/telemetry?step=minute&since=2h`, { headers: { authorization: `Bearer ${token}` } });
    await asked.text();
  }
}

async function wholly(cp: Program, what: ToRead, name: string, log: Log): Promise<Taken & { growthMb: number }> {
  const reader = new Child(program);
  const growth = await growing(cp);
  try {
    const taken = await reader.ask<Taken>(what);
    const growthMb = await growth.mb();
    log(
      `  ${name}: ${(taken.bytes / 1e6).toFixed(0)} MB in ${taken.seconds.toFixed(0)} s, ${growthMb.toFixed(0)} MB more memory`,
    );
    return { ...taken, growthMb };
  } finally {
    growth.end();
    await reader.end();
  }
}

/** Readers that begin and then take nothing; one more is refused, until they have left. */
async function standingStill(
  cp: Program,
  [csv, parquet]: readonly [ToRead, ToRead],
  log: Log,
): Promise<Record<'growthMb' | 'leftMs', number>> {
  const [reader, other] = [new Child(program), new Child(program)];
  const growth = await growing(cp);
  try {
    for (let i = 0; i < atOnce; i++) await reader.ask<Taken>({ ...(i % 2 ? csv : parquet), begunOnly: true });
    await delay(standsStillMs);
    const growthMb = await growth.mb();
    const { status } = await other.ask<Taken>(csv);
    if (status !== 429) throw new Error(`one more export was answered with ${status}`);
    await reader.end();
    const left = performance.now();
    const begins = async () => (await other.ask<Taken>({ ...csv, begunOnly: true })).status === 200;
    await until(begins, 'an export begins again', 30_000);
    const leftMs = performance.now() - left;
    log(
      `  ${atOnce} readers that take nothing: ${growthMb.toFixed(0)} MB more memory; the next began ${leftMs.toFixed(0)} ms after they left`,
    );
    return { growthMb, leftMs };
  } finally {
    growth.end();
    await Promise.all([reader.end(), other.end()]);
  }
}

/** The most that a process has grown by since. */
async function growing({ pid }: Program) {
  const before = await rssMb(pid);
  let peak = before;
  const look = async () => (peak = Math.max(peak, await rssMb(pid)));
  const timer = setInterval(() => void look(), 100);
  return { mb: async () => (await look()) - before, end: () => clearInterval(timer) };
}
