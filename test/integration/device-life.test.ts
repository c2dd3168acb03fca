import { ClaimTokenRetention } from '@flotilla/control-plane/access/claim-token-retention';
import { DevicesService } from '@flotilla/control-plane/fleet/devices.service';
import { PresenceWatch } from '@flotilla/control-plane/link/presence';
import { TrustService } from '@flotilla/control-plane/trust/trust.service';
import { DeviceId } from '@flotilla/protocol';
import { DataSource } from 'typeorm';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { aControlPlane, type TestControlPlane } from '../support/control-plane.js';
import { deviceTls } from '../support/credentials.js';
import { FakeDevice } from '../support/fake-device.js';
import { aNewDevice, enrolled, type NewDevice } from '../support/fleet.js';
import { connectDevice } from '../support/mqtt-client.js';
import { anUpdate, aWindow } from '../support/records.js';
import { aRelease, digestOfRelease, pushed } from '../support/releases.js';
import { until } from '../support/until.js';

let cp: TestControlPlane;
let db: DataSource;
const connected: FakeDevice[] = [];
const old = aRelease('1.0.0');

beforeAll(async () => {
  cp = await aControlPlane();
  db = cp.app.get(DataSource);
  await pushed(cp, old);
  await until(async () => (await cp.api('GET', 'status')).body.leader, 'it leads');
});
afterAll(() => cp?.stop());
afterEach(async () => {
  for (const device of connected.splice(0)) await device.stop();
});

const show = async (id: string) => (await cp.api('GET', `devices/${id}`)).body;
const events = async (id: string): Promise<string[]> =>
  (await cp.api('GET', `events?device=${id}&limit=20`)).body.items.map((event: { kind: string }) => event.kind);

/** A board with a certificate, let in on these terms; it is not connected yet. */
async function aBoard(id: string, terms: { approval?: boolean; replace?: boolean } = {}, more: Partial<NewDevice> = {}) {
  const { key, cert, ca, serial } = await deviceTls(cp.app.get(TrustService), id);
  const row = aNewDevice(id, { certificateSerial: serial, ...more });
  await db.transaction((tx) => cp.app.get(DevicesService).enrol(tx, row, terms));
  const device = new FakeDevice({ url: cp.urls.mqtt, device: DeviceId.parse(id), tls: { key, cert, ca } });
  connected.push(device);
  return { device, row, tls: { key, cert, ca, serial } };
}
const assign = (id: string) =>
  cp.api('POST', 'assignments', { release: 'product-classifier@1.0.0', slot: 'inspection', devices: [id] });

describe('a device that needs approval', () => {
  it('is listed, is told nothing, and is in no group and no rollout before somebody approves it', async () => {
    const { device } = await aBoard('waits-1', { approval: true }, { labels: { site: 'lyon' } });
    await cp.api('POST', 'groups', { name: 'waiting', selector: 'site=lyon' });
    expect((await cp.api('GET', 'devices?status=pending')).body.items).toMatchObject([{ id: 'waits-1', status: 'pending' }]);
    expect((await cp.api('GET', 'status')).body.devices).toMatchObject({ total: 0, pending: 1 });
    expect((await assign('waits-1')).body.code).toBe('DEVICE_NOT_FOUND');
    expect((await cp.api('GET', 'groups/waiting')).body.size).toBe(0);
    await device.connect();
    await device.publish('birth', device.birth());
    await until(async () => (await cp.api('GET', 'status')).body.counters['link.unknown-device'] > 0, 'its birth was heard');
    expect([device.welcomes, device.desired]).toEqual([[], []]);

    expect((await cp.api('POST', 'devices/waits-1/approval')).body).toMatchObject({ status: 'active', groups: ['waiting'] });
    await device.untilDisconnected();
    await device.join();
    await device.until(() => device.desired.length > 0, 'a desired state');
    expect((await cp.api('POST', 'devices/waits-1/approval')).status).toBe(200);
    expect(await events('waits-1')).toEqual(['device-online', 'device-approved', 'device-enrolled']);
  });

  it('can be turned away', async () => {
    await aBoard('waits-2', { approval: true });
    expect((await cp.api('DELETE', 'devices/waits-2')).status).toBe(204);
    expect((await cp.api('POST', 'devices/waits-2/approval')).body).toMatchObject({ code: 'DEVICE_REVOKED' });
  });
});

describe('a device in maintenance', () => {
  it('is shown, with who and why, and its silence is no alarm', async () => {
    const { device } = await aBoard('attended-1');
    await device.join();
    const { body } = await cp.api('PUT', 'devices/attended-1/maintenance', { reason: 'new lamp' });
    expect(body.maintenance).toMatchObject({ reason: 'new lamp', actor: 'admin' });
    expect((await cp.api('GET', 'status')).body.devices.maintenance).toBe(1);
    await device.sayGoodbye();
    await until(async () => !(await show('attended-1')).online, 'it is offline');
    await device.join();
    await device.stop();
    await db.query(`UPDATE device SET last_seen_at = now() - interval '1 hour', online = true WHERE id = 'attended-1'`);
    const watch = cp.app.get(PresenceWatch);
    // For long enough on the line to know that silence is silence.
    await watch.check(new Date(), true);
    await watch.check(new Date(Date.now() + 3_600_000), true);
    expect((await show('attended-1')).online).toBe(false);
    expect(await events('attended-1')).not.toContain('device-offline');
    expect((await cp.api('DELETE', 'devices/attended-1/maintenance')).body.maintenance).toBeUndefined();
    expect((await events('attended-1'))[0]).toBe('maintenance-ended');
  });

  it('is out of it by itself when the time is up', async () => {
    await enrolled(cp, aNewDevice('attended-2'));
    const soon = new Date(Date.now() + 3_600_000).toISOString();
    const { body } = await cp.api('PUT', 'devices/attended-2/maintenance', { reason: 'cleaning', until: soon });
    expect(body.maintenance.until).toBe(soon);
    await db.query(`UPDATE device SET maintenance_until = now() - interval '1 second' WHERE id = 'attended-2'`);
    expect((await show('attended-2')).maintenance).toBeUndefined();
    const past = { reason: 'cleaning', until: '2020-01-01T00:00:00.000Z' };
    expect((await cp.api('PUT', 'devices/attended-2/maintenance', past)).body.detail).toContain('is over already');
  });
});

describe('a board that takes the place of another', () => {
  it('has name, labels and assignments; the old one serves until then, and is shut out from then on', async () => {
    const { device: before, row, tls } = await aBoard('press-1', {}, { labels: { site: 'lyon' } });
    await assign('press-1');
    const { stream } = await before.join();
    await cp.api('POST', 'devices/press-1/replacement');
    await before.until(() => before.desired.length > 0, 'the old board is told what to run');
    const { device: after } = await aBoard('press-1', { replace: true }, { hardwareClass: 'generic-x64/1.31.0' });
    await before.untilDisconnected();
    await expect(connectDevice(cp.urls.mqtt, tls, 'press-1')).rejects.toThrow();
    const welcome = await after.join();
    expect([welcome.next, welcome.stream === stream]).toEqual([0, false]);
    await after.until(() => after.desired.length > 0, 'the new board is told what to run');
    expect(await show('press-1')).toMatchObject({
      labels: { site: 'lyon' },
      slots: [{ assignment: { digest: digestOfRelease(old), owner: 'manual' } }],
    });
    await expect(enrolled(cp, { ...row, id: DeviceId.parse('press-2') })).rejects.toThrow("this key was press-1's");
    expect(await events('press-1')).toEqual(expect.arrayContaining(['device-replaced', 'device-enrolled']));
  });

  it('is asked for only in the place of a device that is there', async () => {
    expect((await cp.api('POST', 'devices/nobody/replacement')).body.code).toBe('DEVICE_NOT_FOUND');
    await enrolled(cp, aNewDevice('press-3'));
    await cp.api('DELETE', 'devices/press-3');
    expect((await cp.api('POST', 'devices/press-3/replacement')).body).toMatchObject({ code: 'DEVICE_REVOKED' });
  });
});

describe('a device that is removed', () => {
  it('frees its name, buries its key, and takes what it sent with it where that is wanted', async () => {
    const { device, row } = await aBoard('oven-1', {}, { labels: { site: 'lyon' } });
    await assign('oven-1');
    await device.join();
    const digest = digestOfRelease(old);
    const window = aWindow(device.boot, {
      slot: 'inspection',
      digest,
      deployment: (await show('oven-1')).slots[0].assignment.deployment,
    } as never);
    device.keep('telemetry', window);
    device.keep('event', {
      ...anUpdate(device.boot, { slot: 'inspection', deployment: window.deployment, digest, state: 'committed' } as never),
    });
    await device.send();
    await device.untilAcknowledged();
    const left = async () => {
      const [{ n }] = await db.query<[{ n: number }]>(
        `SELECT ((SELECT count(*) FROM telemetry_window WHERE device = 'oven-1') + (SELECT count(*) FROM device_stream WHERE device = 'oven-1'))::int n`,
      );
      return n;
    };
    expect((await cp.api('DELETE', 'devices/oven-1')).status).toBe(204);
    expect(await left()).toBe(2);
    expect((await cp.api('DELETE', 'devices/oven-1')).body.code).toBe('DEVICE_REVOKED');
    expect((await cp.api('DELETE', 'devices/oven-1?purge=true')).status).toBe(204);
    expect(await left()).toBe(0);
    await expect(enrolled(cp, row)).rejects.toMatchObject({ code: 'CLAIM_REFUSED' });
    await enrolled(cp, aNewDevice('oven-1'));
    expect(await show('oven-1')).toMatchObject({ status: 'active', labels: {}, slots: [], groups: [] });
    expect(await events('oven-1')).toEqual(expect.arrayContaining(['device-removed']));
  });
});

describe('an import', () => {
  const run = (devices: object[], more: object = {}) => cp.api('POST', 'devices/import', { devices, ...more });

  it('makes claim tokens, labels what is there, and says so before', async () => {
    await enrolled(cp, aNewDevice('there-1', { labels: { site: 'lyon' } }));
    await cp.api('POST', 'groups', { name: 'third', selector: 'line=3' });
    const devices = [
      { name: 'new-1', labels: { site: 'lyon' } },
      { name: 'new-2', claim: 'approval' },
      { name: 'there-1', labels: { line: '3' }, claim: 'none' },
    ];
    const dry = await run(devices, { dryRun: true });
    expect(dry.body).toEqual({
      devices: [
        { name: 'new-1', does: 'claim-token' },
        { name: 'new-2', does: 'claim-token' },
        { name: 'there-1', does: 'labels' },
      ],
      problems: [],
    });
    expect((await cp.api('GET', 'tokens')).body.items).toEqual(
      expect.not.arrayContaining([expect.objectContaining({ name: 'new-1' })]),
    );
    const { body } = await run(devices);
    expect(body.devices[0].token).toMatch(/^fl1\./);
    expect(await show('there-1')).toMatchObject({ labels: { line: '3' }, groups: ['third'] });
    const tokens = (await cp.api('GET', 'tokens')).body.items;
    expect(tokens).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ name: 'new-1', labels: { site: 'lyon' }, approval: 'none' }),
        expect.objectContaining({ name: 'new-2', approval: 'required' }),
      ]),
    );
    expect((await run([devices[2]!])).body.devices).toEqual([{ name: 'there-1', does: 'nothing' }]);
  });

  it('with one bad entry does nothing, and names each', async () => {
    await enrolled(cp, aNewDevice('there-2'));
    const devices = [
      { name: 'new-3' },
      { name: 'there-2' },
      { name: 'new-3' },
      { name: 'nobody-1', claim: 'none' },
      { name: 'new-4', labels: { agent: '2' } },
    ];
    const { body } = await run(devices, { dryRun: true });
    expect(body.problems.map((p: { entry: number; problem: string }) => `${p.entry} ${p.problem}`)).toEqual([
      '1 there-2 is enrolled already: say "claim: none" to set its labels, or `flotilla devices replace there-2`',
      '2 new-3 is in it twice',
      '3 there is no device nobody-1 whose labels could be set',
      '4 labels: "agent" is what selectors read from the device itself; choose another name',
    ]);
    const refused = await run(devices);
    expect([refused.status, refused.body.code]).toEqual([409, 'DEVICE_IMPORT_REFUSED']);
    expect(refused.body.detail).toMatch(/^nothing was imported: devices\[1\]: there-2 is enrolled already.*; devices\[2\]/);
    const names = (await cp.api('GET', 'tokens')).body.items.map((token: { name?: string }) => token.name);
    expect(names).not.toContain('new-3');
  });
});

describe('claim tokens', () => {
  it('are deleted a month after they were used, or could be used last; others stay', async () => {
    const named = async (name: string) => (await cp.api('POST', 'tokens', { name })).body.id as string;
    const [unused, used, fresh] = [await named('late-1'), await named('late-2'), await named('late-3')];
    const ago = (id: string, column: string, days: number) =>
      db.query(`UPDATE claim_token SET ${column} = now() - $2 * interval '1 day' WHERE id = $1`, [id, days]);
    await ago(unused, 'expires_at', 31);
    await ago(used, 'used_at', 31);
    await ago(fresh, 'used_at', 29);
    expect(await cp.app.get(ClaimTokenRetention).deleteOld(new Date())).toBe(2);
    const { items } = (await cp.api('GET', 'tokens?limit=500')).body;
    const left = items.map(({ id }: { id: string }) => id);
    expect([left.includes(unused), left.includes(used), left.includes(fresh)]).toEqual([false, false, true]);
  });
});
