import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { compactVerify, importJWK } from 'jose';
import { AssignmentRow, DeviceRow } from '@flotilla/control-plane/fleet/device.entity';
import { AssignmentsService } from '@flotilla/control-plane/fleet/assignments.service';
import { PresenceWatch } from '@flotilla/control-plane/link/presence';
import { OutboxRow } from '@flotilla/control-plane/link/outbox.entity';
import { DesiredState, digestOf, SlotName, type Digest } from '@flotilla/protocol';
import type { DataSource } from 'typeorm';
import { embeddedBroker, type TestBroker } from '../support/broker.js';
import { newBoot, type FakeDevice } from '../support/fake-device.js';
import { LinkRig } from '../support/link-rig.js';
import { aDeployment, aDigest, aWindow } from '../support/records.js';
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
  rig = await LinkRig.start(db, broker, { heartbeatS: 10 });
});
afterEach(() => rig.stop());

const slot = SlotName.parse('classify');
const rowOf = (device: string) => db.getRepository(DeviceRow).findOneByOrFail({ id: device as DeviceRow['id'] });
const events = (device: string, kind: string) =>
  db.query<{ message: string }[]>('SELECT message FROM event WHERE device = $1 AND kind = $2 ORDER BY id', [device, kind]);
const queued = async (device: string) =>
  (await db.query<unknown[]>(`SELECT 1 FROM outbox WHERE effect->>'device' = $1`, [device])).length;
const assign = (device: FakeDevice, digest: Digest) =>
  db.transaction((tx) => rig.get(AssignmentsService).assign(tx, [{ device: device.device, digest }], { slot, owner: 'manual' }));
/** As an agent would: what it was told is in force. */
async function obey(device: FakeDevice): Promise<DesiredState> {
  const key = await importJWK(broker.trust.directorKey(), 'EdDSA');
  const { payload } = await compactVerify(device.desired.at(-1)!, key);
  const state = DesiredState.parse(JSON.parse(Buffer.from(payload).toString()));
  device.epoch = state.epoch;
  device.desiredHash = digestOf({ slots: state.slots, config: state.config });
  device.slots = state.slots.map((s) => ({
    slot: s.slot,
    deployment: s.deployment,
    digest: s.manifestDigest,
    committed: s.manifestDigest,
    state: 'committed' as const,
  }));
  return state;
}
const told = (device: FakeDevice, times: number) => device.until(() => device.desired.length >= times, `desired state ${times}`);
/** Joined, and in force is what every device is told first: its settings, and no slot. */
async function settled(name: string): Promise<FakeDevice> {
  const device = await rig.join(name);
  await told(device, 1);
  await obey(device);
  return device;
}
const soon = (ms: number) => new Date(Date.now() + ms);

describe('a birth', () => {
  it('is welcomed with a session of its own, and what it reports is known', async () => {
    const device = await rig.enrol('born');
    device.slots = [{ slot, state: 'idle' }];
    const welcome = await device.join();
    expect(welcome).toMatchObject({ stream: device.stream, session: 1, epoch: 1, next: 0 });
    expect(await rowOf('born')).toMatchObject({
      online: true,
      session: 1,
      agent: '0.1.0',
      stream: device.stream,
      reportedEpoch: 0,
    });
    expect(await db.query('SELECT slot, state FROM slot_report WHERE device = $1', ['born'])).toEqual([{ slot, state: 'idle' }]);
    expect(await events('born', 'device-online')).toHaveLength(1);

    device.cut();
    device.boot = newBoot();
    expect(await device.join()).toMatchObject({ session: 2 });
  });

  it('that is repeated before its welcome came opens no further session', async () => {
    const device = await rig.enrol('impatient');
    await device.connect();
    const birth = device.birth();
    await device.publish('birth', birth);
    await device.publish('birth', birth);
    await device.until(() => device.welcomes.length === 2, 'two welcomes');
    expect(device.welcomes.map((w) => w.session)).toEqual([1, 1]);
  });

  it('learns how far its stream was seen, and begins another where its file was set back', async () => {
    const device = await rig.join('set-back');
    device.keep('telemetry', aWindow(device.boot), aWindow(device.boot));
    await device.send();
    await device.untilAcknowledged();
    expect((await device.bear()).next).toBe(2);
    const { stream } = device;
    device.next = 1;
    await device.bear();
    expect(device.stream).not.toBe(stream);
    expect(await device.bear()).toMatchObject({ stream: device.stream, next: 0 });
  });
});

describe('desired state', () => {
  it('reaches a device when it changes, and again when it shows an older one', async () => {
    const device = await settled('obedient');
    await assign(device, aDigest());
    await told(device, 2);
    const state = await obey(device);
    expect(state).toMatchObject({ device: 'obedient', epoch: 2, slots: [{ slot, manifestDigest: aDigest() }] });
    device.epoch = 1;
    await device.heartbeat();
    await told(device, 3);
    await obey(device);
    await device.heartbeat();
    await device.bear();
    expect((await rowOf('obedient')).reportedEpoch).toBe(2);
    expect(await queued('obedient')).toBe(0);
    expect(device.desired).toHaveLength(3);
  });

  it('that changed while the device was away comes with its next birth', async () => {
    const device = await settled('away');
    await device.sayGoodbye();
    await assign(device, aDigest());
    await until(async () => (await queued('away')) === 0, 'the outbox is empty');
    await device.join();
    await told(device, 2);
    expect(await obey(device)).toMatchObject({ epoch: 2 });
  });

  it('is kept in the outbox while the broker cannot be reached', async () => {
    const device = await settled('unreachable');
    await rig.link.stop();
    await assign(device, aDigest());
    await rig.untilCounted('outbox.failed', 1);
    expect(await queued('unreachable')).toBe(1);
    await rig.stop();
    rig = await LinkRig.start(db, broker);
    await until(async () => (await queued('unreachable')) === 0, 'the outbox is empty');
    await device.join();
    await told(device, 2);
  });

  it('is sent once for several changes that wait together', async () => {
    const device = await settled('changed-often');
    const before = rig.counter('outbox.send-desired');
    await db.query(
      `INSERT INTO outbox (effect) SELECT jsonb_build_object('type', 'send-desired', 'device', $1::text) FROM generate_series(1, 5)`,
      [device.device],
    );
    await until(async () => (await queued('changed-often')) === 0, 'the outbox is empty');
    expect(rig.counter('outbox.send-desired') - before).toBe(1);
  });

  it('that cannot be made for one device does not hold up another', async () => {
    const [stuck, next] = [await settled('stuck'), await settled('next')];
    await db.query(`UPDATE device SET tenant = 'no tenant' WHERE id = $1`, [stuck.device]);
    await db.getRepository(OutboxRow).insert({ effect: { type: 'send-desired', device: stuck.device } });
    await assign(next, aDigest());
    await told(next, 2);
    expect(await queued('stuck')).toBe(1);
    await db.query(`UPDATE device SET tenant = 'default' WHERE id = $1`, [stuck.device]);
    await told(stuck, 2);
  });

  it('is told to a removed device no more', async () => {
    const device = await settled('removed');
    await db.getRepository(DeviceRow).update({ id: device.device }, { status: 'revoked' });
    await db.getRepository(OutboxRow).insert({ effect: { type: 'send-desired', device: device.device } });
    await until(async () => (await queued('removed')) === 0, 'the outbox is empty');
    expect(device.desired).toHaveLength(1);
  });

  it('of a database that was set back is what the device runs, one epoch on', async () => {
    const device = await settled('ahead');
    const digest = aDigest('later');
    device.epoch = 7;
    device.desiredHash = aDigest('unknown here');
    const deployment = aDeployment();
    device.slots = [{ slot, deployment, digest, committed: digest, state: 'committed' }];
    await device.bear();
    await told(device, 2);
    expect(await obey(device)).toMatchObject({ epoch: 8, slots: [{ deployment, manifestDigest: digest }] });
    expect(await db.getRepository(AssignmentRow).findOneByOrFail({ device: device.device })).toMatchObject({ owner: 'restored' });
    expect(await events('ahead', 'state-regressed')).toHaveLength(1);
  });

  it('that a heartbeat shows to be ahead makes the device come back with a birth', async () => {
    const device = await settled('ahead-by-heartbeat');
    device.epoch = 7;
    device.desiredHash = aDigest('unknown here');
    const gone = device.untilDisconnected();
    await device.heartbeat().catch(() => undefined);
    await gone;
    await device.join();
    await told(device, 2);
    expect(await obey(device)).toMatchObject({ epoch: 8 });
  });
});

describe('what a device gave up', () => {
  it('is known to be lost with its next heartbeat, and counted once', async () => {
    const device = await rig.join('forgetful');
    const cursor = async () =>
      (await db.query<object[]>('SELECT up_to, lost FROM device_stream WHERE stream = $1', [device.stream]))[0];
    device.keep('telemetry', aWindow(device.boot), aWindow(device.boot), aWindow(device.boot));
    await device.sendBatch(1, 1);
    await device.until(() => !device.held.has(1), 'the second is acknowledged');
    device.drop(0);
    for (let beats = 1; beats <= 2; beats++) {
      await device.heartbeat();
      await rig.untilCounted('link.heartbeats', beats);
      expect(await cursor()).toEqual({ up_to: '2', lost: '1' });
    }
    await device.send();
    await device.untilAcknowledged();
    expect(await cursor()).toEqual({ up_to: '3', lost: '1' });
  });

  it("of another device's stream changes nothing", async () => {
    const [owner, copy] = [await rig.join('owner'), await rig.join('copy')];
    copy.stream = owner.stream;
    copy.next = 5;
    await copy.heartbeat();
    await rig.untilCounted('link.heartbeats', 1);
    expect(await db.query('SELECT lost FROM device_stream WHERE stream = $1', [owner.stream])).toEqual([{ lost: '0' }]);
  });
});

describe('presence', () => {
  it('ends with a goodbye', async () => {
    const device = await rig.join('polite');
    await device.sayGoodbye();
    await until(async () => !(await rowOf('polite')).online, 'the device is offline');
    expect(await events('polite', 'device-offline')).toEqual([{ message: 'polite said goodbye' }]);
  });

  it('is not ended by a goodbye of a session that is over', async () => {
    const device = await rig.join('returned');
    const late = { v: 1, stream: device.stream, session: 1, online: false, reason: 'goodbye' };
    device.cut();
    await device.join();
    await device.publish('presence', late);
    await rig.untilCounted('link.late-goodbyes', 1);
    expect((await rowOf('returned')).online).toBe(true);
  });

  it('ends one heartbeat after the connection broke, unless the device comes back', async () => {
    const [lost, back] = [await rig.join('lost'), await rig.join('back')];
    const watch = rig.get(PresenceWatch);
    lost.cut();
    back.cut();
    await until(() => rig.counter('link.wills') === 2, 'both wills came');
    await watch.check(soon(5000), true);
    expect((await rowOf('lost')).online).toBe(true);
    await back.join();
    await watch.check(soon(12_000), true);
    expect([(await rowOf('lost')).online, (await rowOf('back')).online]).toEqual([false, true]);
    expect(await events('lost', 'device-offline')).toHaveLength(1);
  });

  it('ends after three missed heartbeats, but never because we ourselves did not listen', async () => {
    await rig.join('silent');
    const watch = rig.get(PresenceWatch);
    await watch.check(soon(0), true);
    await watch.check(soon(30_000), true);
    await watch.check(soon(40_000), false);
    await watch.check(soon(41_000), true);
    expect((await rowOf('silent')).online).toBe(true);
    await watch.check(soon(80_000), true);
    expect((await rowOf('silent')).online).toBe(false);
    expect(await events('silent', 'device-offline')).toEqual([{ message: 'silent is offline: three heartbeats are missing' }]);
  });
});
