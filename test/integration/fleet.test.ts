import { randomUUID } from 'node:crypto';
import { AdoptionService } from '@flotilla/control-plane/fleet/adoption.service';
import { AssignmentsService } from '@flotilla/control-plane/fleet/assignments.service';
import { DevicesService } from '@flotilla/control-plane/fleet/devices.service';
import { SlotReportsService } from '@flotilla/control-plane/fleet/slot-reports.service';
import { OutboxRow } from '@flotilla/control-plane/link/outbox.entity';
import { OutboxDispatcher } from '@flotilla/control-plane/link/outbox-dispatcher';
import {
  BootId,
  DeploymentId,
  type DeviceId,
  DeviceView,
  digestOf,
  sha256,
  SlotName,
  type UpdateEvent,
} from '@flotilla/protocol';
import { DataSource, type EntityManager } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { aControlPlane, type TestControlPlane } from '../support/control-plane.js';
import { aNewDevice, enrolled, reboarded } from '../support/fleet.js';
import { aRelease, digestOfRelease, pushed } from '../support/releases.js';

let cp: TestControlPlane;
let db: DataSource;
const slot = SlotName.parse('inspection');
const old = aRelease('1.0.0');
const newer = aRelease('1.1.0');

beforeAll(async () => {
  cp = await aControlPlane();
  db = cp.app.get(DataSource);
  // Nothing is connected here: rows stay in the outbox, where tests look at them.
  await cp.app.get(OutboxDispatcher).stop();
  await pushed(cp, old);
  await pushed(cp, newer);
});
afterAll(() => cp?.stop());

const tx = <T>(work: (tx: EntityManager) => Promise<T>) => db.transaction(work);
const show = async (id: DeviceId) => DeviceView.parse((await cp.api('GET', `devices/${id}`)).body);
const assignments = () => cp.app.get(AssignmentsService);
const adoption = () => cp.app.get(AdoptionService);
const assign = (device: DeviceId, digest: ReturnType<typeof digestOfRelease> | null, owner = 'manual') =>
  tx((t) => assignments().assign(t, [{ device, digest }], { slot, owner })).then(([assigned]) => assigned!.deployment);
const desired = (device: DeviceId) => tx((t) => assignments().desiredFor(t, device));
const outboxOf = async (device: DeviceId) => {
  const rows = await db.getRepository(OutboxRow).find({ order: { id: 'ASC' } });
  return rows.flatMap(({ effect }) => (effect.device === device ? effect.type : []));
};
const anUpdate = (change: Partial<UpdateEvent> & Pick<UpdateEvent, 'deployment' | 'digest' | 'state'>): UpdateEvent => ({
  type: 'update',
  boot: BootId.parse(randomUUID()),
  uptime: 1,
  slot,
  ...change,
});
const report = (device: DeviceId, event: UpdateEvent) => tx((t) => cp.app.get(SlotReportsService).record(t, [{ device, event }]));

describe('devices', () => {
  it('are listed newest first, page by page, and by selector', async () => {
    const ids = await enrolled(cp, ...['page-1', 'page-2', 'page-3'].map((id) => aNewDevice(id, { labels: { paged: 'yes' } })));
    const all: string[] = [];
    let cursor = '';
    do {
      const { body } = await cp.api('GET', `devices?limit=2${cursor}`);
      all.push(...body.items.map((item: DeviceView) => item.id));
      cursor = body.next ? `&cursor=${body.next}` : '';
    } while (cursor);
    expect(all).toEqual(expect.arrayContaining(ids));
    expect(new Set(all).size).toBe(all.length);
    const some = await cp.api('GET', `devices?limit=2&selector=${encodeURIComponent('paged in (yes), id != page-2')}`);
    expect(some.body.items.map((item: DeviceView) => item.id)).toEqual(['page-3', 'page-1']);
  });

  it('that are unknown, and selectors that cannot be read, are answered in a sentence', async () => {
    expect((await cp.api('GET', 'devices/nobody')).body).toMatchObject({ code: 'DEVICE_NOT_FOUND', detail: 'no device nobody' });
    const { status, body } = await cp.api('GET', `devices?selector=${encodeURIComponent('site=,line=3')}`);
    expect([status, body.code]).toEqual([400, 'INVALID_SELECTOR']);
    expect(body.detail).toContain('at character 6');
  });

  it('get labels from the operator, which cannot pose as facts', async () => {
    const [id] = await enrolled(cp, aNewDevice('labelled', { labels: { site: 'lyon' } }));
    const { body } = await cp.api('PUT', `devices/${id}/labels`, { labels: { site: 'turin', line: '3' } });
    expect(body.labels).toEqual({ site: 'turin', line: '3' });
    const refused = await cp.api('PUT', `devices/${id}/labels`, { labels: { profile: 'jetson' } });
    expect([refused.status, refused.body.detail]).toEqual([400, expect.stringContaining('"profile" is what selectors read')]);
    expect((await cp.api('GET', `events?device=${id}`)).body.items.map((e: { kind: string }) => e.kind)).toEqual([
      'device-labelled',
      'device-enrolled',
    ]);
  });

  it('enrolled again with their key get their new certificate; with another key they are refused', async () => {
    const device = aNewDevice('again');
    await enrolled(cp, device);
    await enrolled(cp, { ...device, certificateSerial: '77' });
    await expect(enrolled(cp, aNewDevice('again'))).rejects.toThrow('flotilla devices replace again');
  });

  it('that are removed lose certificate, session and assignments', async () => {
    const [id] = await enrolled(cp, aNewDevice('removed'));
    await assign(id!, digestOfRelease(old));
    expect((await cp.api('DELETE', `devices/${id}`)).status).toBe(204);
    expect(await show(id!)).toMatchObject({ status: 'revoked', online: false, slots: [] });
    expect(await outboxOf(id!)).toEqual(['send-desired', 'drop-session']);
    await expect(desired(id!)).rejects.toMatchObject({ code: 'DEVICE_REVOKED' });
    expect(await tx((t) => cp.app.get(DevicesService).match(t, { target: 'id=removed' }))).toEqual([]);
  });

  it('that are replaced keep labels and assignments for the board that follows', async () => {
    const [id] = await enrolled(cp, aNewDevice('replaced', { labels: { site: 'lyon' } }));
    const deployment = await assign(id!, digestOfRelease(old));
    const before = await show(id!);
    const { status, body } = await cp.api('POST', `devices/${id}/replacement`);
    expect([status, body.token]).toEqual([201, expect.stringMatching(/^fl1\./)]);
    expect((await show(id!)).status).toBe('active');
    await reboarded(cp, aNewDevice('replaced', { labels: { line: '3', site: 'mars' } }));
    expect(await outboxOf(id!)).toEqual(['send-desired', 'renew-session']);
    const after = await show(id!);
    expect(after).toMatchObject({
      status: 'active',
      labels: { site: 'lyon', line: '3' },
      slots: [{ assignment: { deployment } }],
    });
    expect(after.epoch).toBeGreaterThan(before.epoch);
  });
});

describe('groups', () => {
  it('list their members, or name them by a selector', async () => {
    const [a, b] = await enrolled(
      cp,
      aNewDevice('group-a', { labels: { room: 'one' } }),
      aNewDevice('group-b', { labels: { room: 'two' } }),
    );
    expect((await cp.api('POST', 'groups', { name: 'listed', devices: [a, b, a] })).body).toMatchObject({
      name: 'listed',
      size: 2,
      members: [a, b],
      facts: [],
    });
    const selected = await cp.api('POST', 'groups', { name: 'selected', selector: 'room=two' });
    expect(selected.body).toMatchObject({ name: 'selected', selector: 'room=two', size: 1, members: [b], facts: [] });
    expect((await cp.api('GET', 'groups')).body.items.map((g: { name: string }) => g.name)).toEqual(['selected', 'listed']);
    const match = (group: string) => tx((t) => cp.app.get(DevicesService).match(t, { group }));
    expect((await match('listed')).map((row) => row.id)).toEqual([a, b]);
    expect((await match('selected')).map((row) => row.id)).toEqual([b]);
    expect((await cp.api('DELETE', 'groups/listed')).status).toBe(204);
    expect((await cp.api('GET', 'groups/listed')).body.code).toBe('GROUP_NOT_FOUND');
  });

  it.each([
    [{ name: 'selected', selector: '*' }, 'GROUP_EXISTS', /exists already/],
    [{ name: 'strange', selector: 'a b' }, 'INVALID_SELECTOR', /at character 3/],
    [{ name: 'ghosts', devices: ['ghost'] }, 'DEVICE_NOT_FOUND', /no active device ghost/],
    [{ name: 'no spaces', devices: [] }, 'INVALID_REQUEST', /a group must be 1 to 64/],
  ])('%j is refused', async (request, code, detail) => {
    const { body } = await cp.api('POST', 'groups', request);
    expect(body).toMatchObject({ code, detail: expect.stringMatching(detail) });
  });
});

describe('an assignment', () => {
  it('raises the epoch and sends; the same again disturbs nothing', async () => {
    const [id] = await enrolled(cp, aNewDevice('assigned'));
    const first = await assign(id!, digestOfRelease(old));
    expect(first).not.toBeNull();
    expect((await show(id!)).epoch).toBe(2);
    expect(await outboxOf(id!)).toEqual(['send-desired']);
    expect(await assign(id!, digestOfRelease(old), 'rollout:x')).toBe(first);
    expect(await show(id!)).toMatchObject({ epoch: 2, slots: [{ assignment: { owner: 'rollout:x', deployment: first } }] });
    const second = await assign(id!, digestOfRelease(newer));
    expect(second).not.toBe(first);
    expect((await show(id!)).epoch).toBe(3);
    expect(await assign(id!, null)).toBeNull();
    expect(await show(id!)).toMatchObject({ epoch: 4, slots: [] });
    expect(await assign(id!, null)).toBeNull();
    expect((await show(id!)).epoch).toBe(4);
  });

  it('of a release that the device gave up is a new attempt', async () => {
    const [id] = await enrolled(cp, aNewDevice('retrying'));
    const first = DeploymentId.parse(await assign(id!, digestOfRelease(old)));
    await report(
      id!,
      anUpdate({ deployment: first, digest: digestOfRelease(old), state: 'failed', failure: 'transport', reason: 'no route' }),
    );
    expect(await show(id!)).toMatchObject({
      slots: [{ reported: { state: 'failed', failure: 'transport', reason: 'no route' } }],
    });
    const second = await assign(id!, digestOfRelease(old));
    expect(second).not.toBe(first);
    expect((await show(id!)).epoch).toBe(3);
  });

  it('to a revoked or unknown device gives no deployment', async () => {
    const [id] = await enrolled(cp, aNewDevice('gone'));
    await cp.api('DELETE', `devices/${id}`);
    expect(await assign(id!, digestOfRelease(old))).toBeNull();
    expect(await assign('nobody' as DeviceId, digestOfRelease(old))).toBeNull();
  });

  it('by hand names devices or a selector, and says whom it overrules', async () => {
    const ids = await enrolled(cp, ...['hand-1', 'hand-2'].map((id) => aNewDevice(id, { labels: { hand: 'yes' } })));
    await assign(ids[0]!, digestOfRelease(newer), `rollout:${randomUUID()}`);
    const request = { release: 'product-classifier@1.0.0', slot, target: 'hand=yes' };
    const { status, body } = await cp.api('POST', 'assignments', request);
    expect([status, body.items.map((item: { device: string }) => item.device)]).toEqual([200, ids]);
    const [event] = (await cp.api('GET', 'events?kind=assigned')).body.items;
    expect(event.message).toMatch(
      /^assigned product-classifier@1\.0\.0 to slot inspection of 2 devices by hand; takes 1 over from rollout [0-9a-f-]{36}$/,
    );
    const { items } = (await cp.api('POST', 'assignments', { ...request, target: undefined, devices: [ids[1], ids[1]] })).body;
    expect(items).toHaveLength(1);
  });

  it.each([
    [{ release: 'product-classifier@9.0.0', target: '*' }, 'RELEASE_NOT_FOUND', /there are product-classifier@1\.1\.0/],
    [
      { release: 'product-classifier@1.0.0', devices: ['nobody'] },
      'DEVICE_NOT_FOUND',
      /no active device nobody; nothing was assigned/,
    ],
    [{ release: 'product-classifier@1.0.0', target: 'site=mars' }, 'INVALID_REQUEST', /no active device matches "site=mars"/],
    [{ release: 'product-classifier@1.0.0' }, 'INVALID_REQUEST', /exactly one of devices and target/],
  ])('by hand as %j is refused', async (request, code, detail) => {
    const { body } = await cp.api('POST', 'assignments', { slot, ...request });
    expect(body).toMatchObject({ code, detail: expect.stringMatching(detail) });
  });

  it('of many devices at once locks them in order: two crossing ones both succeed', async () => {
    const ids = await enrolled(cp, ...Array.from({ length: 40 }, (_, i) => aNewDevice(`many-${i}`)));
    const items = (digest: typeof old) => ids.map((device) => ({ device, digest: digestOfRelease(digest) }));
    await Promise.all([
      tx((t) => assignments().assign(t, items(old), { slot, owner: 'manual' })),
      tx((t) => assignments().assign(t, items(newer).toReversed(), { slot, owner: 'manual' })),
    ]);
    const epochs = await Promise.all(ids.map(async (id) => (await show(id)).epoch));
    expect(new Set(epochs)).toEqual(new Set([3]));
  });
});

describe('desired state', () => {
  it('names release, digest and probation, and its hash is kept', async () => {
    const [id] = await enrolled(cp, aNewDevice('desiring'));
    const deployment = await assign(id!, digestOfRelease(old));
    const { state, row } = await desired(id!);
    expect(state).toMatchObject({
      v: 1,
      device: id,
      epoch: 2,
      slots: [{ slot, deployment, release: 'product-classifier@1.0.0', manifestDigest: digestOfRelease(old) }],
      config: { windowS: 10, uploadS: 60, heartbeatS: 60 },
    });
    expect(row.desiredHash).toBe(digestOf({ slots: state.slots, config: state.config }));
    expect(state.expires - Date.now()).toBeGreaterThan(6 * 86_400_000);
    const again = await desired(id!);
    expect({ ...again.state, expires: 0 }).toEqual({ ...state, expires: 0 });
  });

  it('that differs from what was issued under its epoch gets another epoch', async () => {
    const [id] = await enrolled(cp, aNewDevice('resetting'));
    await desired(id!);
    await db.query(`UPDATE device SET desired_hash = $2 WHERE id = $1`, [id, sha256('other settings')]);
    expect((await desired(id!)).state.epoch).toBe(2);
    expect((await desired(id!)).state.epoch).toBe(2);
  });

  it('is adopted from a device that knows a later epoch, and every rollout pauses', async () => {
    const [id] = await enrolled(cp, aNewDevice('restored'));
    await assign(id!, digestOfRelease(old));
    const deployment = DeploymentId.parse(randomUUID());
    const committed = digestOfRelease(newer);
    const other = SlotName.parse('counting');
    const told: string[] = [];
    adoption().whenRegressed(async (_tx, detail) => void told.push(detail));
    await tx((t) =>
      adoption().adopt(
        t,
        id!,
        [
          { slot, deployment, digest: committed, committed, state: 'committed' },
          { slot: other, state: 'idle' },
        ],
        41,
      ),
    );
    expect(await show(id!)).toMatchObject({
      epoch: 42,
      slots: [{ slot, assignment: { deployment, digest: committed, owner: 'restored', release: 'product-classifier@1.1.0' } }],
    });
    expect(await outboxOf(id!)).toEqual(['send-desired', 'send-desired']);
    expect(told).toEqual([expect.stringContaining('restored reports epoch 41')]);
    expect((await cp.api('GET', `events?kind=state-regressed`)).body.items).toHaveLength(1);
  });

  it('of a release that the database forgot is recovered from its manifest on disk, else named by its digest', async () => {
    const [id] = await enrolled(cp, aNewDevice('forgotten'));
    const lost = aRelease('7.0.0');
    await pushed(cp, lost);
    await db.query(`DELETE FROM release WHERE version = '7.0.0'`);
    const reported = (name: string, committed: typeof old | null) => ({
      slot: SlotName.parse(name),
      committed: committed ? digestOfRelease(committed) : sha256('never seen'),
      state: 'committed' as const,
    });
    await tx((t) => adoption().adopt(t, id!, [reported('a', lost), reported('b', null)], 5));
    const { state } = await desired(id!);
    expect(state.slots.map((s) => s.release)).toEqual([
      'product-classifier@7.0.0',
      `unknown@0.0.0+${sha256('never seen').slice(0, 12)}`,
    ]);
  });
});

describe('what slots report', () => {
  it('is the last word of each, and a birth lists all there are', async () => {
    const [id] = await enrolled(cp, aNewDevice('reporting'));
    const deployment = DeploymentId.parse(randomUUID());
    const [before, candidate] = [digestOfRelease(old), digestOfRelease(newer)];
    const told = (state: UpdateEvent['state'], more: Partial<UpdateEvent> = {}) =>
      anUpdate({ deployment, digest: candidate, committed: before, state, ...more });
    await tx((t) =>
      cp.app.get(SlotReportsService).record(t, [
        { device: id!, event: told('offered') },
        { device: id!, event: told('downloading') },
      ]),
    );
    expect((await show(id!)).slots[0]?.reported).toMatchObject({
      state: 'downloading',
      release: 'product-classifier@1.0.0',
      committed: before,
    });
    await report(id!, told('committed', { committed: candidate }));
    expect((await show(id!)).slots[0]?.reported).toMatchObject({ state: 'committed', release: 'product-classifier@1.1.0' });
    await report(id!, told('failed', { failure: 'crash', reason: 'SIGSEGV' }));
    const birth = (slots: Parameters<SlotReportsService['recordBirth']>[2]) =>
      tx((t) => cp.app.get(SlotReportsService).recordBirth(t, id!, slots));
    await birth([{ slot, deployment, digest: before, committed: before, state: 'failed' }]);
    expect((await show(id!)).slots[0]?.reported).toMatchObject({ state: 'failed', failure: 'crash', reason: 'SIGSEGV' });
    await birth([{ slot: SlotName.parse('other'), state: 'idle' }]);
    expect((await show(id!)).slots.map((s) => s.slot)).toEqual(['other']);
  });
});
