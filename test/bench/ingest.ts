import { setTimeout as delay } from 'node:timers/promises';
import { check, total } from '../fleet-sim/checker.js';
import type { FloodReport } from '../fleet-sim/fleet-main.js';
import { FleetProcess } from '../fleet-sim/fleet-process.js';
import type { ServerUse } from '../fleet-sim/server-main.js';
import { ServerProcess } from '../fleet-sim/server-process.js';
import type { BareUnnestQuestion, BareUnnestRun } from './bare-unnest-main.js';
import { brokerOf } from './broker-flag.js';
import { Child } from './child.js';
import type { Flags } from './flags.js';
import type { Bench, Figure } from './figure.js';
import { cpuOf, cpuSBelow } from './process-use.js';
import { quantile } from './statistics.js';

const slot = 'inspection';
const joinPerS = 150;
/** What a real agent sends at once: an upload each minute, a window each ten seconds, and vitals with each. */
const upload = { windows: 6, windowS: 10 };
const bareMs = 5000;

/** Devices over mTLS, a broker, the control plane and PostgreSQL, all on this machine; and a loop that only inserts. */
export const ingest: Bench = {
  about: 'points a second from device to database to acknowledgement (--seconds, --rounds, --devices, --broker aedes|mosquitto)',
  async run(log, flags) {
    const broker = brokerOf(flags);
    const devices = flags.count('devices', 300);
    const server = new ServerProcess();
    const fleet = new FleetProcess();
    const bare = new Child(new URL('bare-unnest-main.js', import.meta.url));
    try {
      const settings = { device: { windowS: 3600, uploadS: 3600, heartbeatS: 60 } };
      const identity = await server.start(broker, devices, settings);
      const digest = await server.release('1.0.0');
      await fleet.make(identity, { records: false });
      await fleet.join(joinPerS, 60_000);
      await server.assign('product-classifier@1.0.0', slot);
      await fleet.reported(digest, 60_000);
      const names = identity.devices.map((each) => each.device);
      await bare.ask({ open: await server.databaseUrl(), devices: names } satisfies BareUnnestQuestion);
      log(`${devices} devices over ${broker}; their records come as fast as they are acknowledged`);
      return await measured(log, flags, { server, fleet, bare });
    } finally {
      await bare.end();
      await fleet.end();
      await server.stop();
    }
  },
};

type Parts = { server: ServerProcess; fleet: FleetProcess; bare: Child };
type Spent = Readonly<Record<'devices' | 'controlPlane' | 'broker' | 'database', number>>;
type Round = { pointsPerS: number; windowsPerS: number; windows: number; latenciesMs: readonly number[]; spent: Spent };

async function measured(log: (line: string) => void, flags: Flags, parts: Parts): Promise<Record<string, Figure>> {
  const { server, fleet, bare } = parts;
  const rounds = flags.count('rounds', 3);
  const roundMs = (1000 * flags.count('seconds', 60)) / rounds;
  const bareRun = (rollUpEvery = 0) => bare.ask<BareUnnestRun>({ runForMs: bareMs, rollUpEvery } satisfies BareUnnestQuestion);
  await bareRun();
  await path(parts, Math.min(5000, roundMs));
  const memory = new MemoryWatch(server);
  const before = await server.use();
  const paths: Round[] = [];
  const bares: BareUnnestRun[] = [await bareRun()];
  const wholes: BareUnnestRun[] = [];
  for (let round = 0; round < rounds; round++) {
    paths.push(await path(parts, roundMs));
    bares.push(await bareRun());
    wholes.push(await bareRun(windowsPerStep(before, await server.use())));
    const { pointsPerS, windowsPerS } = paths.at(-1)!;
    const [alone, whole] = [bares.at(-1)!.windowsPerS, wholes.at(-1)!.windowsPerS];
    log(
      `  round ${round + 1}: ${fixed(pointsPerS)} points/s, ${fixed(windowsPerS)} windows/s; unnest alone ${fixed(alone)} windows/s, with cursors and rollups ${fixed(whole)}`,
    );
  }
  const after = await server.use();
  const rss = memory.end();
  const found = total(await check(await fleet.ledger(), server.query));
  const mean = (values: readonly number[]) => sum(values) / values.length;
  const ratioTo = (loops: readonly BareUnnestRun[]) =>
    mean(paths.map((each) => each.windowsPerS)) / mean(loops.map((each) => each.windowsPerS));
  const latencies = paths.flatMap((each) => each.latenciesMs);
  return {
    points_per_s: { value: mean(paths.map((each) => each.pointsPerS)), unit: '1/s', reach: '>= 40000' },
    unnest_ratio: { value: ratioTo(bares), unit: 'ratio', reach: '>= 0.5' },
    every_row_ratio: { value: ratioTo(wholes), unit: 'ratio' },
    lost: { value: found.lost, unit: 'count', reach: '0' },
    duplicated: { value: found.doubled + found.strange, unit: 'count', reach: '0' },
    p50_queryable_ms: { value: quantile(latencies, 0.5), unit: 'ms' },
    p99_queryable_ms: { value: quantile(latencies, 0.99), unit: 'ms', reach: '< 3000' },
    ...spent(paths),
    ...rolledUp(before, after, sum(paths.map((each) => each.windows))),
    rss_mb: { value: rss.last, unit: 'MB' },
    rss_growth_ratio: { value: rss.last / rss.first, unit: 'ratio' },
  };
}

/** What each part took of a processor. */
function spent(rounds: readonly Round[]): Record<string, Figure> {
  const windows = sum(rounds.map((each) => each.windows));
  const figure = (part: keyof Spent): Figure => ({
    value: (1e6 * sum(rounds.map((each) => each.spent[part]))) / windows,
    unit: 'us/window',
  });
  return {
    devices_cpu_us: figure('devices'),
    broker_cpu_us: figure('broker'),
    control_plane_cpu_us: figure('controlPlane'),
    database_cpu_us: figure('database'),
  };
}

/** Of one transaction of the rollups. */
function windowsPerStep(before: ServerUse, after: ServerUse): number {
  const more = (name: string) => (after.counters[name] ?? 0) - (before.counters[name] ?? 0);
  return Math.max(1, more('rollup.windows') / Math.max(1, more('rollup.steps')));
}

/** The time that it takes, the database's and its waiting for a processor included. */
function rolledUp(before: ServerUse, after: ServerUse, windows: number): Record<string, Figure> {
  const more = (name: string) => (after.counters[name] ?? 0) - (before.counters[name] ?? 0);
  return {
    rolled_up_share: { value: more('rollup.windows') / windows, unit: 'ratio' },
    rollup_us: { value: (1000 * more('rollup.ms')) / Math.max(1, more('rollup.windows')), unit: 'us/window' },
  };
}

async function cpuS({ server, fleet }: Parts): Promise<Spent> {
  const below = await cpuSBelow(server.pid);
  const database = below.get('postgres') ?? 0;
  const broker = sum([...below.values()]) - database;
  const [controlPlane, devices] = [await cpuOf(server.pid), await cpuOf(fleet.pid)];
  return { devices: devices.cpuS, controlPlane: controlPlane.cpuS, broker, database };
}

/** Resident memory, each second; the first and the last third of it. */
class MemoryWatch {
  readonly #seen: number[] = [];
  readonly #timer: NodeJS.Timeout;

  constructor(server: ServerProcess) {
    this.#timer = setInterval(() => void server.use().then(({ rssMb }) => this.#seen.push(rssMb)), 1000);
  }

  end(): { first: number; last: number } {
    clearInterval(this.#timer);
    const third = Math.max(1, Math.floor(this.#seen.length / 3));
    return { first: quantile(this.#seen.slice(0, third), 0.5), last: quantile(this.#seen.slice(-third), 0.5) };
  }
}

/** Sending to acknowledgement, which follows the commit: a window can be asked for no later than that. */
async function path(parts: Parts, ms: number): Promise<Round> {
  const { fleet } = parts;
  const before = await cpuS(parts);
  await fleet.flood(upload);
  const begun = performance.now();
  await delay(ms);
  const report: FloodReport = await fleet.flooded();
  const seconds = (performance.now() - begun) / 1000;
  const after = await cpuS(parts);
  await fleet.dry();
  await fleet.drain(30_000);
  const { points, windows, latenciesMs } = report;
  const more = (part: keyof Spent) => after[part] - before[part];
  return {
    pointsPerS: points / seconds,
    windowsPerS: windows / seconds,
    windows,
    latenciesMs,
    spent: { devices: more('devices'), controlPlane: more('controlPlane'), broker: more('broker'), database: more('database') },
  };
}

const fixed = (value: number) => value.toFixed(0);
const sum = (values: readonly number[]) => values.reduce((all, value) => all + value, 0);
