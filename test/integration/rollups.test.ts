import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Counters } from '@flotilla/control-plane/platform/counters';
import { openDatabase } from '@flotilla/control-plane/platform/database';
import { Leader } from '@flotilla/control-plane/platform/leader';
import { createLogger } from '@flotilla/control-plane/platform/logger';
import { evidenceKeys, evidenceSums } from '@flotilla/control-plane/telemetry/evidence-sums';
import { JustStored } from '@flotilla/control-plane/telemetry/just-stored';
import { levels, rollupTables, type RollupTable } from '@flotilla/control-plane/telemetry/rollup-levels';
import { RollupRepository } from '@flotilla/control-plane/telemetry/rollup.repository';
import { Rollups } from '@flotilla/control-plane/telemetry/rollups';
import {
  TelemetryRepository,
  type StoredVitals,
  type StoredWindow,
} from '@flotilla/control-plane/telemetry/telemetry.repository';
import { VitalsRollups } from '@flotilla/control-plane/telemetry/vitals-rollups';
import { BootId, DeviceId, sketchOf, SlotName } from '@flotilla/protocol';
import type { DataSource, EntityManager } from 'typeorm';
import { aDatabase } from '../support/postgres.js';
import { aDigest, aWindow, someVitals } from '../support/records.js';

const log = createLogger('silent');
const boot = BootId.parse(randomUUID());
const hour = 3_600_000;
/** Noon of a day: buckets have known ends. */
const noon = new Date('2026-11-20T12:00:00Z').getTime();

let database: Awaited<ReturnType<typeof aDatabase>>;
let db: DataSource;
let telemetry: TelemetryRepository;
beforeAll(async () => {
  database = await aDatabase();
  db = database.db;
  telemetry = new TelemetryRepository(db);
});
afterAll(() => database.close());
const made = [...rollupTables, 'rollup_vitals_hour', 'rollup_vitals_day'].join(', ');
beforeEach(() => db.query(`TRUNCATE telemetry_window, vitals, rollup_watermark, leader_lease, ${made}`));

/** A control plane's part of this, that dies before its watermark is saved as often as it is told to. */
async function replica(source = db) {
  const leader = new Leader(source, log);
  const repository = new RollupRepository(source);
  const fault = { left: 0 };
  const move = repository.watermark.move.bind(repository.watermark);
  repository.watermark.move = async (...to) => {
    if (fault.left-- > 0) throw new Error('killed');
    await move(...to);
  };
  const justStored = new JustStored(leader);
  return { leader, fault, justStored, rollups: new Rollups(repository, justStored, leader, new Counters(), log) };
}

function seeded(seed: number) {
  let state = seed;
  const random = () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
  return { random, below: (n: number) => Math.floor(n * random()) };
}

function someWindow({ random, below }: ReturnType<typeof seeded>): StoredWindow {
  const endedAt = new Date(noon - below(50 * hour));
  const times = Array.from({ length: below(6) }, () => 10 ** (2 + 4 * random()));
  const window = aWindow(boot, {
    slot: SlotName.parse(`slot-${below(2)}`),
    digest: aDigest(String(below(2))),
    ok: times.length,
    errors: below(3),
    restarts: below(2),
    ...(below(2) === 0 && { rssBytes: below(1e9) }),
    ...(below(2) === 0 && { feedback: { confirmed: below(4), rejected: below(3), corrected: below(2) } }),
    ...(below(2) === 0 && { temperatureMaxC: 40 + below(90) / 2, throttledMs: below(3000), energyJ: below(100) / 3 }),
    queueDepthMax: below(9),
    queue: sketchOf(times.map((us) => us / 10)),
    compute: sketchOf(times),
    total: sketchOf(times.map((us) => 2 * us)),
  });
  return {
    device: DeviceId.parse(`device-${below(3)}`),
    window,
    at: { startedAt: new Date(endedAt.getTime() - 10_000), endedAt, receivedAt: new Date(), uncertain: false },
  };
}

const insert = (tx: EntityManager, windows: readonly StoredWindow[]) => telemetry.insert(tx, windows, []);

/** As ingest stores them: that replica has them at hand when it rolls up. */
async function stored({ justStored }: { justStored: JustStored }, windows: readonly StoredWindow[]): Promise<void> {
  const run = await db.transaction((tx) => insert(tx, windows));
  if (run) justStored.keep(run, windows);
}

/** The same question to windows as they came, and to one table of rollups. */
async function asked(table: RollupTable, source: 'windows' | 'rollups'): Promise<unknown> {
  const { key, span } = levels[table];
  const unit = { [60_000]: 'minute', [hour]: 'hour', [24 * hour]: 'day' }[span];
  const raw = source === 'windows';
  const rows = raw
    ? `(SELECT date_trunc('${unit}', ended_at, 'UTC') bucket, w.*, coalesce(d.hardware_class, '') hardware_class,
               coalesce(d.labels->>'site', '') site FROM telemetry_window w LEFT JOIN device d ON d.id = w.device)`
    : table;
  const by = ['bucket', ...key].join(', ');
  const bins = ['queue', 'compute', 'total'].map(
    (of) => `SELECT ${by}, '${of}' sketch, ${of}_first + i - 1 bin, n FROM ${rows} r, unnest(${of}) WITH ORDINALITY u(n, i)`,
  );
  return {
    sums: await db.query(
      `SELECT ${by}, ${raw ? 'count(*)' : 'sum(windows)'}::int8 windows, sum(ok)::int8 ok, sum(errors)::int8 errors, sum(sheds)::int8 sheds,
              sum(${raw ? 'coalesce(restarts, 0)' : 'restarts'})::int8 restarts, sum(compute_cpu_us)::int8 compute,
              max(queue_depth_max) depth, max(${raw ? 'rss_bytes' : 'rss_bytes_max'}) rss,
              max(temperature_max_c) celsius, ${evidenceKeys.map((key) => `sum(${raw ? evidenceSums[key].ofWindow('r') : evidenceSums[key].column})::int8 ${key}`).join(', ')}, count(*) FILTER (WHERE ${raw}) * 0 + 1 one
       FROM ${rows} r GROUP BY ${by} ORDER BY ${by}`,
    ),
    bins: await db.query(
      `SELECT ${by}, sketch, bin, sum(n)::int8 n FROM (${bins.join(' UNION ALL ')}) b
       GROUP BY ${by}, sketch, bin HAVING sum(n) > 0 ORDER BY ${by}, sketch, bin`,
    ),
  };
}

async function expectExact(): Promise<void> {
  for (const table of rollupTables) expect(await asked(table, 'rollups'), table).toEqual(await asked(table, 'windows'));
}

describe('rollups', () => {
  it('are what the windows say, in whatever order and portions they came, whoever leads and dies on the way', async () => {
    await db.query(`INSERT INTO device (id, status, profile, hardware_class, labels, notes, key_thumbprint, certificate_serial,
        certificate_expires_at, enrolled_at) SELECT 'device-' || i, 'active', 'p', 'class-' || i % 2, jsonb_build_object('site', 'site-' || i), '[]',
        'k' || i, 's' || i, now(), now() FROM generate_series(0, 1) i`);
    const other = await openDatabase(database.url);
    const [one, two] = [await replica(), await replica(other)];
    try {
      const chance = seeded(7);
      await one.leader.start();
      for (let round = 0; round < 12; round++) {
        const leading = one.leader.isLeader() ? one : two;
        await Promise.all(
          Array.from({ length: 1 + chance.below(3) }, () => {
            const windows = Array.from({ length: chance.below(20) }, () => someWindow(chance));
            return chance.below(2) === 0 ? stored(leading, windows) : db.transaction((tx) => insert(tx, windows));
          }),
        );
        if (chance.below(3) === 0) leading.fault.left = 1;
        const [, again] = await Promise.allSettled([leading.rollups.catchUp(), leading.rollups.catchUp()]);
        expect(again?.status).toMatch(/fulfilled|rejected/);
        if (chance.below(3) > 0) continue;
        const next = leading === one ? two : one;
        await leading.leader.stop();
        await next.leader.start();
        await expect(Promise.all([next.rollups.catchUp(), leading.rollups.catchUp()])).rejects.toMatchObject({
          code: 'NOT_LEADER',
        });
      }
      await (one.leader.isLeader() ? one : two).rollups.catchUp();
      await expectExact();
    } finally {
      await one.leader.stop();
      await two.leader.stop();
      await other.destroy();
    }
  });

  it('wait for whoever drew an earlier id and has not committed yet, and not for long', async () => {
    const { leader, rollups } = await replica();
    await leader.start();
    const chance = seeded(3);
    const slow = db.createQueryRunner();
    await slow.startTransaction();
    await insert(slow.manager, [someWindow(chance)]);
    await db.transaction((tx) => insert(tx, [someWindow(chance)]));
    await rollups.catchUp();
    expect(await db.query(`SELECT FROM rollup_device_hour`)).toEqual([]);
    const looking = rollups.catchUp();
    await slow.commitTransaction();
    await slow.release();
    await looking;
    expect(await db.query(`SELECT sum(windows)::int n FROM rollup_device_hour`)).toEqual([{ n: 2 }]);
    await expectExact();
    await leader.stop();
  });

  it('are of windows that are there, and of each once, whatever the process has at hand', async () => {
    const { leader, justStored, rollups } = await replica();
    await leader.start();
    const chance = seeded(11);
    const some = (n: number) => Array.from({ length: n }, () => someWindow(chance));
    await stored({ justStored }, some(10));
    await insert(db.manager, some(3));
    const deleted = some(10);
    const run = await insert(db.manager, deleted);
    justStored.keep(run!, deleted);
    await db.query(`DELETE FROM telemetry_window WHERE id = $1`, [run!.last]);
    await rollups.catchUp();
    await expectExact();
    await rollups.catchUp();
    await expectExact();
    await leader.stop();
  });

  it('take a table that was full before there were any in steps', async () => {
    const { leader, rollups } = await replica();
    await leader.start();
    await insert(db.manager, [someWindow(seeded(5))]);
    await db.query(`INSERT INTO telemetry_window (device, slot, deployment, digest, variant, started_at, ended_at, received_at, uncertain, ok, errors,
        sheds, compute_cpu_us, queue_first, queue, compute_first, compute, total_first, total, slow, classes, other_classes, scores, queue_depth_max)
      SELECT device, slot, deployment, digest, variant, started_at, ended_at, received_at, uncertain, ok, errors, sheds, compute_cpu_us, queue_first,
        queue, compute_first, compute, total_first, total, slow, classes, other_classes, scores, queue_depth_max
      FROM telemetry_window, generate_series(1, 9000)`);
    await rollups.catchUp();
    expect(await db.query(`SELECT sum(windows)::int n FROM rollup_fleet_day`)).toEqual([{ n: 9001 }]);
    await leader.stop();
  });
});

/** By what the records say, with other words than those that roll up. */
async function vitalsAsked(unit: 'hour' | 'day', source: 'records' | 'rollups'): Promise<unknown> {
  const of = (name: string) => `(vitals ->> '${name}')::float8`;
  const records = `SELECT date_trunc('${unit}', ended_at, 'UTC') bucket, device, count(*)::int samples, count(${of('cpu')})::int "cpuN",
      sum(round(${of('cpu')}::numeric * 1000000))::int cpu, max(${of('cpu')})::real "cpuMax", max(${of('memoryUsedBytes')})::int8 memory,
      max(${of('memoryUsedBytes')} / ${of('memoryTotalBytes')})::real share, max(${of('runnerRssBytes')})::int8 runner,
      count(${of('temperatureC')})::int "celsiusN", coalesce(sum(round(${of('temperatureC')}::numeric * 1000)), 0)::int celsius,
      min(${of('temperatureC')})::real coldest, max(${of('temperatureC')})::real hottest,
      count(vitals -> 'throttled')::int "throttledN", count(*) FILTER (WHERE vitals -> 'throttled' = 'true')::int throttled,
      max(${of('outboxRecords')})::int8 waiting FROM vitals GROUP BY 1, 2`;
  const rolledUp = `SELECT bucket, device, samples, cpu_n "cpuN", cpu_millionths::int cpu, cpu_max "cpuMax", memory_used_max memory,
      memory_share_max share, runner_rss_max runner, temperature_n "celsiusN", temperature_thousandths::int celsius, temperature_min coldest,
      temperature_max hottest, throttled_n "throttledN", throttled, outbox_records_max waiting FROM rollup_vitals_${unit}`;
  return db.query(`${source === 'records' ? records : rolledUp} ORDER BY bucket, device`);
}

async function expectExactVitals(): Promise<void> {
  for (const unit of ['hour', 'day'] as const)
    expect(await vitalsAsked(unit, 'rollups'), unit).toEqual(await vitalsAsked(unit, 'records'));
}

function vitalsOf({ random, below }: ReturnType<typeof seeded>): StoredVitals {
  const endedAt = new Date(noon - below(50 * hour));
  const vitals = someVitals(boot, {
    cpu: random(),
    memoryUsedBytes: below(8e9),
    outboxRecords: below(90),
    ...(below(2) === 0 && { temperatureC: below(900) / 10 - 20, runnerRssBytes: below(2e8) }),
    ...(below(2) === 0 && { throttled: below(2) === 0 }),
  });
  const at = { startedAt: new Date(endedAt.getTime() - 10_000), endedAt, receivedAt: new Date(), uncertain: false };
  return { device: DeviceId.parse(`device-${below(3)}`), vitals, at };
}

describe('rollups of vitals', () => {
  const some = (chance: ReturnType<typeof seeded>) => Array.from({ length: chance.below(20) }, () => vitalsOf(chance));
  const vitalsRollups = (leader: Leader, source = db) => new VitalsRollups(source, leader, new Counters(), log);

  it('are what the records say, however late they came, whoever leads and dies on the way', async () => {
    const other = await openDatabase(database.url);
    const leaders = [new Leader(db, log), new Leader(other, log)] as const;
    const [one, two] = [vitalsRollups(leaders[0]), vitalsRollups(leaders[1], other)];
    try {
      const chance = seeded(17);
      await leaders[0].start();
      for (let round = 0; round < 8; round++) {
        await Promise.all([1, 2].map(() => db.transaction((tx) => telemetry.insert(tx, [], some(chance)))));
        await expect(two.catchUp()).rejects.toMatchObject({ code: 'NOT_LEADER' });
        if (chance.below(2) === 0) await Promise.all([one.catchUp(), one.catchUp()]);
      }
      await leaders[0].stop();
      await leaders[1].start();
      await two.catchUp();
      await expectExactVitals();
      await two.catchUp();
      await expectExactVitals();
    } finally {
      for (const leader of leaders) await leader.stop();
      await other.destroy();
    }
  });

  it('wait for whoever drew an earlier id, and say up to when they are', async () => {
    const leader = new Leader(db, log);
    const rollups = vitalsRollups(leader);
    await leader.start();
    const chance = seeded(23);
    const slow = db.createQueryRunner();
    await slow.startTransaction();
    await telemetry.insert(slow.manager, [], [vitalsOf(chance)]);
    await telemetry.insert(db.manager, [], [vitalsOf(chance)]);
    await rollups.catchUp();
    expect((await rollups.watermark.distance()).at).toBeNull();
    const looking = rollups.catchUp();
    await slow.commitTransaction();
    await slow.release();
    await looking;
    expect(await db.query(`SELECT sum(samples)::int n FROM rollup_vitals_day`)).toEqual([{ n: 2 }]);
    await expectExactVitals();
    expect((await rollups.watermark.distance()).at).toBeInstanceOf(Date);
    await leader.stop();
  });
});
