import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { DataSource, MigrationInterface, QueryRunner } from 'typeorm';
import { migrations } from '@flotilla/control-plane/migrations/index';
import { openDatabase } from '@flotilla/control-plane/platform/database';
import { DeviceRow } from '@flotilla/control-plane/fleet/device.entity';
import {
  DeadLetterRow,
  DeviceStreamRow,
  TelemetryWindowRow,
  VitalsRow,
} from '@flotilla/control-plane/telemetry/telemetry.entity';
import { embeddedBroker, type TestBroker } from '../support/broker.js';
import { newBoot, newStream } from '../support/fake-device.js';
import { LinkRig } from '../support/link-rig.js';
import { anUpdate, aWindow, someVitals } from '../support/records.js';
import { aDatabase } from '../support/postgres.js';
import { until } from '../support/until.js';

let database: Awaited<ReturnType<typeof aDatabase>>;
let db: DataSource;
let broker: TestBroker;
let rig: LinkRig;

beforeAll(async () => {
  [database, broker] = await Promise.all([aDatabase(), embeddedBroker()]);
  db = database.db;
});
afterAll(async () => {
  await broker.close();
  await database.close();
});
beforeEach(async () => {
  rig = await LinkRig.start(db, broker);
});
afterEach(() => rig.stop());

class AddColumn1999999999999 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE telemetry_window ADD COLUMN spare int NOT NULL DEFAULT 7');
  }
  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE telemetry_window DROP COLUMN spare');
  }
}

const windowsOf = (device: string) => db.getRepository(TelemetryWindowRow).find({ where: { device }, order: { id: 'ASC' } });
const streamOf = (stream: string) => db.getRepository(DeviceStreamRow).findOneByOrFail({ stream });
const events = (device: string, kind: string) =>
  db.query<{ message: string }[]>('SELECT message FROM event WHERE device = $1 AND kind = $2 ORDER BY id', [device, kind]);

describe('telemetry and events on their way into the database', () => {
  it('are stored as they were sent, and acknowledged when committed', async () => {
    const device = await rig.join('stored');
    const { boot } = device;
    device.keep(
      'telemetry',
      aWindow(boot, { ok: 10 }),
      someVitals(boot),
      aWindow(boot, { ok: 20, classes: { 'say "cheese"': 20 } }),
    );
    device.keep('event', anUpdate(boot));
    await device.send();
    await device.untilAcknowledged();

    const windows = await windowsOf('stored');
    expect(windows.map((w) => w.ok)).toEqual([10, 20]);
    const sent = aWindow(boot);
    expect(windows[0]).toMatchObject({
      slot: 'classify',
      digest: sent.digest,
      computeCpuUs: 40_000,
      total: sent.total.counts,
      totalFirst: sent.total.first,
      classes: { peacock: 7, barn: 3 },
      scores: sent.scores,
      uncertain: false,
    });
    expect(windows[1]!.classes).toEqual({ 'say "cheese"': 20 });
    // Sent at uptime 100, ended at uptime 90.
    expect(windows[0]!.receivedAt.getTime() - windows[0]!.endedAt.getTime()).toBe(10_000);
    expect(windows[0]!.endedAt.getTime() - windows[0]!.startedAt.getTime()).toBe(10_000);
    expect(await db.getRepository(VitalsRow).countBy({ device: 'stored' })).toBe(1);
    expect(await streamOf(device.stream)).toMatchObject({ upTo: 4, ranges: [], next: 4, lost: 0, refused: 0 });
    expect(device.acks.at(-1)).toMatchObject({ upTo: 4, ranges: [], refused: [] });
  });

  it('are stored, each once, while a migration adds a column to their table', async () => {
    const device = await rig.join('migrated');
    const sent = 40;
    const sending = (async () => {
      for (let i = 0; i < sent; i++) {
        device.keep('telemetry', aWindow(device.boot));
        await device.sendBatch(i, 1);
      }
    })();
    const migrated = await openDatabase(database.url, undefined, [...migrations, AddColumn1999999999999]);
    await sending;
    await device.untilAcknowledged();
    expect(await windowsOf('migrated')).toHaveLength(sent);
    expect(rig.counter('ingest.refused')).toBe(0);
    await migrated.undoLastMigration();
    await migrated.destroy();
  });

  it('are stored once, however often they come, and acknowledged each time', async () => {
    const device = await rig.join('twice');
    device.keep('telemetry', aWindow(device.boot), aWindow(device.boot));
    await device.sendBatch(0, 2);
    await device.sendBatch(0, 2);
    await device.untilAcknowledged();
    device.keep('telemetry', aWindow(device.boot));
    const again = {
      v: 1,
      stream: device.stream,
      boot: device.boot,
      uptime: 100,
      base: 0,
      seq0: 0,
      records: { n: 0, columns: {} },
    };
    await device.publish('telemetry', again);
    await device.until(() => device.acks.length >= 2, 'an answer to what was acknowledged already');
    expect(await windowsOf('twice')).toHaveLength(2);
  });

  it('are acknowledged in any order, with the gaps that are left', async () => {
    const device = await rig.join('gaps');
    device.keep('telemetry', ...Array.from({ length: 6 }, () => aWindow(device.boot)));
    await device.sendBatch(4, 2);
    await device.sendBatch(1, 1);
    await device.until(() => device.held.size === 3, 'three acknowledged');
    expect(device.acks.at(-1)).toMatchObject({ upTo: 0, ranges: [[1, 1], [4, 5]] }); // prettier-ignore
    device.drop(2);
    device.drop(0);
    await device.send();
    await device.untilAcknowledged();
    expect(await streamOf(device.stream)).toMatchObject({ upTo: 6, ranges: [], lost: 2 });
    expect(await windowsOf('gaps')).toHaveLength(4);
  });

  it('of an earlier boot are marked uncertain', async () => {
    const device = await rig.join('rebooted');
    device.keep('telemetry', aWindow(newBoot()), aWindow(device.boot));
    await device.send();
    await device.untilAcknowledged();
    expect((await windowsOf('rebooted')).map((w) => w.uncertain)).toEqual([true, false]);
  });

  it('that cannot be read are refused into the dead letters, and their neighbours live', async () => {
    const device = await rig.join('poison');
    const { boot } = device;
    const unknown = { type: 'smell', boot, strength: 3 };
    const negative = { ...aWindow(boot), ok: -1 };
    device.keep('telemetry', aWindow(boot), unknown, negative, aWindow(boot));
    await device.send();
    await device.untilAcknowledged();
    expect(device.acks.at(-1)?.refused).toEqual([1, 2]);
    expect(await windowsOf('poison')).toHaveLength(2);
    const letters = await db.getRepository(DeadLetterRow).find({ where: { device: 'poison' }, order: { seq: 'ASC' } });
    expect(letters.map((l) => [l.seq, l.reason])).toEqual([
      [1, expect.stringContaining('type')],
      [2, expect.stringContaining('ok')],
    ]);
    expect(letters[0]!.record).toEqual(unknown);
  });

  it('that the database refuses are found one by one; no other device notices', async () => {
    const [bad, good] = [await rig.join('bad-text'), await rig.join('good-text')];
    bad.keep('event', anUpdate(bad.boot), anUpdate(bad.boot, { state: 'failed', failure: 'load', reason: 'bad\0text' }));
    bad.keep('telemetry', aWindow(bad.boot, { ok: 2 ** 35 }), aWindow(bad.boot));
    good.keep('telemetry', aWindow(good.boot));
    await Promise.all([bad.send(), good.send()]);
    await Promise.all([bad.untilAcknowledged(), good.untilAcknowledged()]);
    expect(await windowsOf('good-text')).toHaveLength(1);
    expect(await windowsOf('bad-text')).toHaveLength(1);
    const letters = await db.getRepository(DeadLetterRow).find({ where: { device: 'bad-text' }, order: { seq: 'ASC' } });
    expect(letters.map((l) => l.seq)).toEqual([1, 2]);
    expect(letters[0]!.record).toMatchObject({ reason: 'bad\u{fffd}text' });
    expect(await streamOf(bad.stream)).toMatchObject({ upTo: 4, refused: 2 });
  });

  it('are told to those who ask: the slot report and the log', async () => {
    const device = await rig.join('told');
    const { boot } = device;
    device.keep('event', anUpdate(boot), anUpdate(boot, { state: 'rolled-back', failure: 'health', reason: 'errors: 9 of 10' }));
    device.keep('event', { type: 'alarm', boot, uptime: 91, name: 'disk-full', message: 'no room for a release' });
    await device.send();
    await device.untilAcknowledged();
    const [report] = await db.query('SELECT state, failure FROM slot_report WHERE device = $1', ['told']);
    expect(report).toEqual({ state: 'rolled-back', failure: 'health' });
    expect(await events('told', 'update-rolled-back')).toEqual([{ message: expect.stringContaining('health: errors: 9 of 10') }]);
    expect(await events('told', 'alarm')).toEqual([{ message: 'told: no room for a release' }]);
    expect(await events('told', 'update-probation')).toEqual([]);
  });

  it('from a stream of another device are refused with an alarm, and its bearer starts a stream of its own', async () => {
    const owner = await rig.join('owner');
    const clone = await rig.enrol('clone', { stream: owner.stream });
    clone.keep('telemetry', aWindow(clone.boot));
    await clone.connect();
    await clone.sendBatch(0, 1);
    await rig.untilCounted('ingest.foreign-stream', 1);
    await until(async () => (await events('clone', 'stream-conflict')).length > 0, 'the alarm is in the log');
    expect(await windowsOf('clone')).toEqual([]);

    await clone.bear();
    expect(clone.stream).not.toBe(owner.stream);
    await clone.bear();
    await clone.send();
    await clone.untilAcknowledged();
    expect(await windowsOf('clone')).toHaveLength(1);
    expect(await events('clone', 'stream-conflict')).toHaveLength(1);
  });

  it('are stored once though two control planes hear and store them at the same time', async () => {
    const other = await LinkRig.start(db, broker);
    try {
      const devices = await Promise.all(['both-1', 'both-2', 'both-3'].map((name) => rig.join(name)));
      for (const device of devices) device.keep('telemetry', ...Array.from({ length: 40 }, () => aWindow(device.boot)));
      await Promise.all(devices.flatMap((device) => [0, 10, 20, 30].map((seq0) => device.sendBatch(seq0, 10))));
      await Promise.all(devices.map((device) => device.untilAcknowledged()));
      await until(() => rig.counter('ingest.acks') > 0 && other.counter('ingest.acks') > 0, 'both have acknowledged');
      for (const { device, stream } of devices) {
        expect(await windowsOf(device)).toHaveLength(40);
        expect(await streamOf(stream)).toMatchObject({ upTo: 40, ranges: [], lost: 0 });
      }
    } finally {
      await other.stop();
    }
  });

  it('wait in the buffer while the database cannot take them', async () => {
    const device = await rig.join('patient');
    await db.query('ALTER TABLE telemetry_window RENAME TO away');
    device.keep('telemetry', aWindow(device.boot));
    await device.send();
    await rig.untilCounted('ingest.retries', 1);
    expect(device.held.size).toBe(1);
    await db.query('ALTER TABLE away RENAME TO telemetry_window');
    await device.untilAcknowledged();
    expect(await windowsOf('patient')).toHaveLength(1);
  });

  it('survive that every connection to the database is cut', async () => {
    const device = await rig.join('cut-off');
    device.keep('telemetry', ...Array.from({ length: 50 }, () => aWindow(device.boot)));
    const sending = device.send();
    await db.query(
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()',
    );
    await sending;
    await device.untilAcknowledged();
    expect(await windowsOf('cut-off')).toHaveLength(50);
  });
});

describe('what is no message of ours', () => {
  it('is counted and dropped', async () => {
    const device = await rig.join('babbler');
    await device.publishRaw('telemetry', Buffer.from('no json'));
    await device.publishRaw('birth', Buffer.from([0x1f, 0x8b, 1, 2, 3]));
    await device.publishRaw('heartbeat', Buffer.alloc(0));
    await device.publish('event', { v: 1, hello: 'world' });
    await device.publish('presence', null);
    await rig.untilCounted('link.malformed', 5);
    await device.publish('telemetry', { v: 2, anything: true });
    await rig.untilCounted('link.unknown-version', 1);
    device.keep('telemetry', aWindow(device.boot));
    await device.send();
    await device.untilAcknowledged();
  });

  it('from a revoked device is dropped', async () => {
    const device = await rig.join('revoked');
    await db.getRepository(DeviceRow).update({ id: device.device }, { status: 'revoked' });
    device.keep('telemetry', aWindow(device.boot));
    await device.send();
    await rig.untilCounted('ingest.unknown-device', 1);
    await device.publish('birth', device.birth());
    await rig.untilCounted('link.unknown-device', 1);
    expect(device.welcomes).toHaveLength(1);
    expect(await windowsOf('revoked')).toEqual([]);
  });

  it('claims no place in a stream', async () => {
    const device = await rig.join('far-ahead');
    const seq0 = Number.MAX_SAFE_INTEGER;
    const batch = {
      v: 1,
      stream: newStream(),
      boot: device.boot,
      uptime: 1,
      base: 0,
      seq0,
      records: { n: 1, columns: { type: ['window'] } },
    };
    await device.publish('telemetry', batch);
    await rig.untilCounted('link.malformed', 1);
    expect(await db.getRepository(DeviceStreamRow).countBy({ device: 'far-ahead' })).toBe(1);
  });
});
