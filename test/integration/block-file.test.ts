import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DevicesService } from '@flotilla/control-plane/fleet/devices.service';
import { TrustService } from '@flotilla/control-plane/trust/trust.service';
import { DesiredState, DeviceId, digestOf, SlotName } from '@flotilla/protocol';
import pg from 'pg';
import { DataSource } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { aControlPlane, type TestControlPlane } from '../support/control-plane.js';
import { deviceTls } from '../support/credentials.js';
import { FakeDevice } from '../support/fake-device.js';
import { aNewDevice } from '../support/fleet.js';
import { anEmptyDatabase } from '../support/postgres.js';
import { anUpdate } from '../support/records.js';
import { aRelease, pushed } from '../support/releases.js';

const slot = 'inspection';
const [v0, v1] = ['product-classifier@1.0.0', 'product-classifier@1.1.0'];
let database: Awaited<ReturnType<typeof anEmptyDatabase>>;
let dataDir: string;
let cp: TestControlPlane | undefined;
let device: FakeDevice;

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'flotilla-blocks-'));
  database = await anEmptyDatabase();
});
afterAll(async () => {
  await device?.stop();
  await cp?.stop();
  await database?.close();
  await rm(dataDir, { recursive: true, force: true });
});

const started = async (databaseUrl: string) => (cp = await aControlPlane({ dataDir, databaseUrl }));
async function stopped(): Promise<void> {
  await device?.stop();
  await cp?.halt();
  cp = undefined;
}
/** The database as it is now, under another name: what a backup restores. */
async function copyOf(url: string, name: string): Promise<string> {
  const [from, admin, copy] = [new URL(url), new URL(url), new URL(url)];
  [admin.pathname, copy.pathname] = ['/postgres', `/${name}`];
  const client = new pg.Client({ connectionString: admin.href });
  await client.connect();
  try {
    await client.query(`CREATE DATABASE ${name} TEMPLATE ${from.pathname.slice(1)}`);
  } finally {
    await client.end();
  }
  return copy.href;
}
async function aDevice(control: TestControlPlane): Promise<FakeDevice> {
  const { app, urls } = control;
  const { key, cert, ca, serial } = await deviceTls(app.get(TrustService), 'lyon-1');
  const row = aNewDevice('lyon-1', { certificateSerial: serial });
  await app.get(DataSource).transaction((tx) => app.get(DevicesService).enrol(tx, row));
  return new FakeDevice({ url: urls.mqtt, device: DeviceId.parse('lyon-1'), tls: { key, cert, ca } });
}
const stateIn = (jws: string) => DesiredState.parse(JSON.parse(Buffer.from(jws.split('.')[1]!, 'base64url').toString()));
const releasesIn = (jws: string) => stateIn(jws).slots.map(({ release }) => release);

/** It is told to run something, commits it and says so. */
async function obeys(release: string): Promise<void> {
  await cp!.api('POST', 'assignments', { release, slot, devices: ['lyon-1'] });
  await device.until(() => device.desired.some((jws) => releasesIn(jws).includes(release)), `it is told to run ${release}`);
  const { epoch, slots, config } = stateIn(device.desired.at(-1)!);
  Object.assign(device, { epoch, desiredHash: digestOf({ slots, config }) });
  device.slots = slots.map((s) => ({
    slot: s.slot,
    deployment: s.deployment,
    digest: s.manifestDigest,
    committed: s.manifestDigest,
    state: 'committed',
  }));
  for (const { deployment, manifestDigest: digest } of slots)
    device.keep(
      'event',
      anUpdate(device.boot, { slot: SlotName.parse(slot), deployment, digest, committed: digest, state: 'committed' }),
    );
  await device.send();
  await device.untilAcknowledged();
}

describe('a database restored from a backup that is older than a kill', () => {
  it('is told of the block before any device is heard, and a device that was offline all the while goes back at once', async () => {
    await started(database.url);
    await pushed(cp!, aRelease('1.0.0'));
    await pushed(cp!, aRelease('1.1.0'));
    device = await aDevice(cp!);
    await device.join();
    await obeys(v0);
    await obeys(v1);
    await stopped();
    const backup = await copyOf(database.url, `${new URL(database.url).pathname.slice(1)}_backup`);

    await started(database.url);
    const { body } = await cp!.api('POST', 'kills', { model: 'product-classifier', version: '1.1.0', reason: 'it bites' });
    expect(body.counts).toMatchObject({ affected: 1, confirmed: 0 });
    await stopped();

    await started(backup);
    expect((await cp!.api('GET', 'blocks')).body.items).toMatchObject([{ id: body.id, reason: 'it bites', actor: 'admin' }]);
    const before = device.desired.length;
    const again = new FakeDevice({ ...(await reconnected(cp!)), stream: device.stream });
    const { boot, next, epoch, desiredHash, slots } = device;
    device = Object.assign(again, { boot, next, epoch, desiredHash, slots });
    await device.join();
    await device.until(() => device.desired.length > 0, 'it is told what to run');
    expect(before).toBeGreaterThan(0);
    expect(releasesIn(device.desired[0]!)).toEqual([v0]);
    expect(stateIn(device.desired[0]!).config.blocked).toMatchObject([{ slot, reason: 'the release was blocked: it bites' }]);
    expect((await cp!.api('POST', 'assignments', { release: v1, slot, devices: ['lyon-1'] })).body.code).toBe('RELEASE_BLOCKED');
  });

  it('is told that a block was lifted, too', async () => {
    const [block] = (await cp!.api('GET', 'blocks')).body.items;
    await cp!.api('POST', `blocks/${block.id}/lift`, { reason: 'the light was bad' });
    const kept = JSON.parse(await readFile(join(dataDir, 'blocks.json'), 'utf8')) as { blocks: object[] };
    expect(kept.blocks).toMatchObject([{ id: block.id, liftedReason: 'the light was bad' }]);
    await stopped();
    await started(database.url);
    expect((await cp!.api('GET', 'blocks')).body.items).toEqual([]);
  });

  it('is not used while the file cannot be read', async () => {
    await stopped();
    await writeFile(join(dataDir, 'blocks.json'), '{"v":1,');
    await expect(started(database.url)).rejects.toThrow(/blocks.json cannot be read: repair it/);
  });
});

async function reconnected(control: TestControlPlane) {
  const { key, cert, ca, serial } = await deviceTls(control.app.get(TrustService), 'lyon-1');
  await control.app.get(DataSource).query(`UPDATE device SET certificate_serial = $1 WHERE id = 'lyon-1'`, [serial]);
  return { url: control.urls.mqtt, device: DeviceId.parse('lyon-1'), tls: { key, cert, ca } };
}
