import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { EventsService } from '@flotilla/control-plane/events/events.service';
import { migrations } from '@flotilla/control-plane/migrations/index';
import { DayPartitions1795763000000 } from '@flotilla/control-plane/migrations/1795763000000-day-partitions';
import { openDatabase } from '@flotilla/control-plane/platform/database';
import { systemClock } from '@flotilla/control-plane/platform/tokens';
import { OldRows } from '@flotilla/control-plane/telemetry/old-rows';
import { Partitions } from '@flotilla/control-plane/telemetry/partitions';
import { TelemetryWindowRow } from '@flotilla/control-plane/telemetry/telemetry.entity';
import type { DataSource } from 'typeorm';
import { aDatabase, anEmptyDatabase } from '../support/postgres.js';

const day = 86_400_000;
const partitionsOf = async (db: DataSource, table: string) =>
  (
    await db.query<{ name: string }[]>(
      `SELECT c.relname name FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid WHERE inhparent = $1::regclass ORDER BY 1`,
      [table],
    )
  ).map(({ name }) => name);
const named = (table: string, at: Date) => `${table}_${at.toISOString().slice(0, 10).replaceAll('-', '')}`;
const vitalsAt = (db: DataSource, at: Date, device = 'd') =>
  db.query(`INSERT INTO vitals (device, started_at, ended_at, received_at, vitals) VALUES ($2, $1, $1, $1, '{}')`, [at, device]);
const placeOf = async (db: DataSource, device: string) =>
  (await db.query<{ place: string }[]>(`SELECT tableoid::regclass::text place FROM vitals WHERE device = $1`, [device]))[0]
    ?.place;

describe('the tables of telemetry, once partitioned', () => {
  const known = migrations.slice(0, migrations.indexOf(DayPartitions1795763000000));
  let empty: Awaited<ReturnType<typeof anEmptyDatabase>>;
  let db: DataSource;
  afterEach(async () => {
    await db.destroy();
    await empty.close();
  });

  it('keep the rows that they had, and take those of whoever writes meanwhile', async () => {
    empty = await anEmptyDatabase();
    db = await openDatabase(empty.url, undefined, known);
    const first = new Date(Date.now() - 3 * day);
    await vitalsAt(db, first, 'before');
    const [{ file }] = await db.query<[{ file: number }]>(`SELECT pg_relation_filenode('vitals') file`);
    const stop = new AbortController();
    let written = 0;
    const writing = (async () => {
      for (; !stop.signal.aborted; written++) await vitalsAt(db, new Date(), 'meanwhile');
    })();
    const migrated = await openDatabase(empty.url, undefined, migrations);
    stop.abort();
    await writing;
    try {
      expect(await migrated.query(`SELECT device, count(*)::int n FROM vitals GROUP BY device ORDER BY device`)).toEqual([
        { device: 'before', n: 1 },
        { device: 'meanwhile', n: written },
      ]);
      // The same file: no row was written again.
      expect(await migrated.query(`SELECT pg_relation_filenode('vitals_before') file`)).toEqual([{ file }]);
      expect(await partitionsOf(migrated, 'telemetry_window')).toContain(named('telemetry_window', new Date()));
      await vitalsAt(migrated, new Date(Date.now() + 2 * day), 'after');
      expect(await placeOf(migrated, 'after')).toBe(named('vitals', new Date(Date.now() + 2 * day)));
      const ids = await migrated.query<{ n: number }[]>(`SELECT (count(*) - count(DISTINCT id))::int n FROM vitals`);
      expect(ids).toEqual([{ n: 0 }]);
    } finally {
      await migrated.destroy();
    }
  });

  it('go back to what they were', async () => {
    empty = await anEmptyDatabase();
    db = await openDatabase(empty.url, undefined, migrations.slice(0, known.length + 1));
    await vitalsAt(db, new Date());
    await db.undoLastMigration();
    await vitalsAt(db, new Date());
    expect(await db.query(`SELECT count(*)::int n, count(DISTINCT id)::int ids FROM vitals`)).toEqual([{ n: 2, ids: 2 }]);
    expect(await partitionsOf(db, 'vitals')).toEqual([]);
  });
});

describe('partitions', () => {
  let database: Awaited<ReturnType<typeof aDatabase>>;
  let db: DataSource;
  let partitions: Partitions;
  beforeAll(async () => {
    database = await aDatabase();
    db = database.db;
    partitions = new Partitions(db, new EventsService(db, systemClock));
  });
  afterAll(() => database.close());

  it('are made for today and the week to come, whoever asks, however often', async () => {
    const later = new Date(Date.now() + 100 * day);
    expect(await Promise.all([partitions.ensure(later), partitions.ensure(later)])).toEqual([[], []]);
    const made = await partitionsOf(db, 'vitals');
    for (let ahead = 0; ahead <= 7; ahead++) expect(made).toContain(named('vitals', new Date(later.getTime() + ahead * day)));
    await vitalsAt(db, later, 'later');
    expect(await placeOf(db, 'later')).toBe(named('vitals', later));
  });

  it('that were missing when rows came leave these in the default one, and say so', async () => {
    const missed = new Date(Date.now() + 200 * day);
    await vitalsAt(db, missed, 'missed');
    expect(await placeOf(db, 'missed')).toBe('vitals_default');
    expect(await partitions.ensure(missed)).toEqual([named('vitals', missed)]);
    const next = new Date(missed.getTime() + day);
    await vitalsAt(db, next, 'next');
    expect(await placeOf(db, 'next')).toBe(named('vitals', next));
  });

  it('go as a whole when their last moment is old enough; rows of the default one go one by one', async () => {
    const old = new Date(Date.now() + 300 * day);
    await partitions.ensure(old);
    await vitalsAt(db, old);
    await vitalsAt(db, new Date(Date.now() - 40 * day), 'ancient');
    const rows = new OldRows(db, partitions);
    const midnight = new Date(Math.ceil(old.getTime() / day) * day);
    expect(await rows.dropPartitions(new Date(midnight.getTime() - 1))).not.toContain(named('vitals', old));
    expect(await rows.dropPartitions(midnight)).toEqual([named('telemetry_window', old), named('vitals', old)]);
    expect(await rows.deleteRecords(new Date(Date.now() - 30 * day))).toMatchObject({ vitals: 1 });
    expect(await placeOf(db, 'ancient')).toBeUndefined();
    for (const ago of [8, 6]) {
      await db.query(
        `INSERT INTO rollup_fleet_minute VALUES ($1, 'd', 'v', 'h', '', 's', 1, 1, 0, 0, 0, 1, 0, NULL, 0, '{}', 0, '{}', 0, '{}')`,
        [new Date(Date.now() - ago * day)],
      );
    }
    expect(await rows.deleteRollups('minute', new Date(Date.now() - 7 * day))).toEqual({ rollup_fleet_minute: 1 });
    // By way of the entities all is as it was.
    expect(await db.getRepository(TelemetryWindowRow).countBy({ device: 'ancient' })).toBe(0);
  });
});
