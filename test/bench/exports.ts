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
    const inAll = await growing(cp);
    const csv = await wholly(cp, query('csv'));
    log(said(csv, `${days} days as csv`));
    const parquet = await wholly(cp, query('parquet'));
    log(said(parquet, `${days} days as parquet`));
    const leftMs = await standingStill([query('csv'), query('parquet')]);
    log(`  the next began ${leftMs.toFixed(0)} ms after ${atOnce} readers that took nothing had left`);
    return {
      export_rows: { value: csv.lines - 1, unit: 'count' },
      export_csv_mb_per_s: { value: csv.bytes / 1e6 / csv.seconds, unit: 'MB/s', reach: '>= 5' },
      export_parquet_rows_per_s: { value: (csv.lines - 1) / parquet.seconds, unit: '1/s' },
      export_growth_mb: { value: Math.max(csv.growthMb, parquet.growthMb), unit: 'MB', reach: '<= 64' },
      // One after the other, and four at once that nobody reads.
      export_growth_of_all_mb: { value: await inAll(), unit: 'MB', reach: '<= 64' },
      export_left_ms: { value: leftMs, unit: 'ms', reach: '< 1000' },
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

type Whole = Taken & { growthMb: number };
const said = ({ bytes, seconds, growthMb }: Whole, name: string) =>
  `  ${name}: ${(bytes / 1e6).toFixed(0)} MB in ${seconds.toFixed(0)} s, ${growthMb.toFixed(0)} MB more memory`;

async function wholly(cp: Program, what: ToRead): Promise<Whole> {
  const reader = new Child(program);
  const grownBy = await growing(cp);
  try {
    return { ...(await reader.ask<Taken>(what)), growthMb: await grownBy() };
  } finally {
    await reader.end();
  }
}

/** Readers that begin and then take nothing; one more is refused, until they have left. Milliseconds from then. */
async function standingStill([csv, parquet]: readonly [ToRead, ToRead]): Promise<number> {
  const [reader, other] = [new Child(program), new Child(program)];
  try {
    for (let i = 0; i < atOnce; i++) await reader.ask<Taken>({ ...(i % 2 ? csv : parquet), begunOnly: true });
    await delay(standsStillMs);
    const { status } = await other.ask<Taken>(csv);
    if (status !== 429) throw new Error(`one more export was answered with ${status}`);
    await reader.end();
    const left = performance.now();
    const begins = async () => (await other.ask<Taken>({ ...csv, begunOnly: true })).status === 200;
    await until(begins, 'an export begins again', 30_000);
    return performance.now() - left;
  } finally {
    await Promise.all([reader.end(), other.end()]);
  }
}

/** The most that a process has grown by since, each time that one asks. */
async function growing({ pid }: Program): Promise<() => Promise<number>> {
  const before = await rssMb(pid);
  let peak = before;
  const look = async () => (peak = Math.max(peak, await rssMb(pid)));
  // It ends with the process.
  setInterval(() => void look().catch(() => undefined), 100).unref();
  return async () => (await look()) - before;
}
