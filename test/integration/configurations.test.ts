import { randomUUID } from 'node:crypto';
import { AssignmentsService } from '@flotilla/control-plane/fleet/assignments.service';
import { ConfigurationSpread } from '@flotilla/control-plane/fleet/configuration-spread';
import { ConfigurationsRepository } from '@flotilla/control-plane/fleet/configurations.repository';
import { DeviceReports } from '@flotilla/control-plane/link/device-reports';
import { OutboxRow } from '@flotilla/control-plane/link/outbox.entity';
import { OutboxDispatcher } from '@flotilla/control-plane/link/outbox-dispatcher';
import { TrustService } from '@flotilla/control-plane/trust/trust.service';
import {
  BootId,
  ConfigurationChange,
  type ConfigurationEvent,
  ConfigurationView,
  DeviceConfigurationView,
  type DeviceId,
  digestOf,
  maxConfigurationBytes,
  maxPayloadBytes,
  SlotName,
} from '@flotilla/protocol';
import { DataSource } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { aControlPlane, type TestControlPlane } from '../support/control-plane.js';
import { aNewDevice, enrolled, reboarded } from '../support/fleet.js';

let cp: TestControlPlane;
let db: DataSource;
beforeAll(async () => {
  cp = await aControlPlane();
  db = cp.app.get(DataSource);
  // Nothing is connected here: rows stay in the outbox, where tests look at them.
  await cp.app.get(OutboxDispatcher).stop();
});
afterAll(() => cp?.stop());

type Written = Record<string, unknown>;
const folder = (directory: string) => ({ source: { directory } });
const fileFor = (owner: Written, slots: Written, more: Written = {}) => ({
  apiVersion: 'flotilla/v1',
  kind: 'Configuration',
  ...owner,
  slots,
  ...more,
});
const pushed = async (owner: Written, slots: Written, more: Written = {}) => {
  const { status, body } = await cp.api('POST', 'configurations', fileFor(owner, slots, more));
  if (status !== 200) throw new Error(body.detail);
  return ConfigurationChange.parse(body);
};
const refused = async (file: unknown) => {
  const { status, body } = await cp.api('POST', 'configurations', file);
  return `${status} ${body.code}: ${body.detail}`;
};
const desired = (device: DeviceId) => db.transaction((tx) => cp.app.get(AssignmentsService).desiredFor(tx, device));
const gatewayOf = async (device: DeviceId) => (await desired(device)).state.config.gateway;
const shown = async (device: string) =>
  DeviceConfigurationView.parse((await cp.api('GET', `devices/${device}/configuration`)).body);
const outboxOf = async (device: DeviceId) =>
  (await db.getRepository(OutboxRow).find()).filter(({ effect }) => effect.device === device).length;

/** Devices that no other test's selectors match, in a group of their own. */
async function aGroup(count: number, selector = true): Promise<{ group: string; site: string; ids: DeviceId[] }> {
  const site = `s${randomUUID().slice(0, 8)}`;
  const ids = await enrolled(cp, ...Array.from({ length: count }, (_, i) => aNewDevice(`${site}-${i}`, { labels: { site } })));
  const { status } = await cp.api('POST', 'groups', {
    name: site,
    ...(selector ? { selector: `site=${site}` } : { devices: ids }),
  });
  expect(status).toBe(201);
  return { group: site, site, ids };
}

describe('a configuration', () => {
  it('that is pushed reaches the signed orders of its devices, with a higher epoch, and no other device', async () => {
    const { group, ids } = await aGroup(2);
    const [other] = await enrolled(cp, aNewDevice('bystander'));
    const before = (await desired(ids[0]!)).state;
    expect(before.config).not.toHaveProperty('gateway');
    const change = await pushed({ group }, { label: folder('pictures') }, { comment: 'first' });
    expect(change).toMatchObject({ changed: true, devices: 2, configuration: { version: 1, comment: 'first', actor: 'admin' } });
    for (const id of ids) {
      const { state } = await desired(id);
      expect(state.epoch).toBe(before.epoch + 1);
      expect(state.config.gateway).toEqual({ v: 1, slots: { label: folder('pictures') } });
      expect(await outboxOf(id)).toBe(1);
    }
    expect((await desired(other!)).state.epoch).toBe(1);
    expect(await gatewayOf(other!)).toBeUndefined();
  });

  it('that says what is in force already changes nothing, whatever its comment', async () => {
    const { group, ids } = await aGroup(1);
    await pushed({ group }, { label: folder('pictures') });
    const again = await pushed({ group }, { label: folder('pictures') }, { comment: 'again' });
    expect(again).toMatchObject({ changed: false, devices: 0, configuration: { version: 1 } });
    expect(await outboxOf(ids[0]!)).toBe(1);
  });

  it('raises the epoch only of those for whom it makes a difference', async () => {
    const { group, ids } = await aGroup(2);
    await pushed({ device: ids[0] }, { label: folder('own') });
    const change = await pushed({ group }, { label: folder('all') });
    expect(change.devices).toBe(1);
    expect(await gatewayOf(ids[0]!)).toEqual({ v: 1, slots: { label: folder('own') } });
    const view = await shown(ids[0]!);
    expect(view).toMatchObject({ state: 'pending', sections: [{ slot: 'label', section: 'source', from: { scope: 'device' } }] });
  });

  it('has versions: it can be shown as it was, rolled back, and deleted', async () => {
    const { group, ids } = await aGroup(1);
    await pushed({ group }, { label: folder('one') }, { comment: 'the first' });
    await pushed({ group }, { label: folder('two') });
    const back = await cp.api('POST', `configurations/group/${group}/rollback`, {});
    expect(back.body).toMatchObject({ changed: true, configuration: { version: 3, comment: 'back to version 1' } });
    expect(await gatewayOf(ids[0]!)).toEqual({ v: 1, slots: { label: folder('one') } });
    const old = ConfigurationView.parse((await cp.api('GET', `configurations/group/${group}?version=2`)).body);
    expect(old.slots).toEqual({ label: folder('two') });
    expect((await cp.api('DELETE', `configurations/group/${group}`)).status).toBe(204);
    expect(await gatewayOf(ids[0]!)).toBeUndefined();
    expect((await cp.api('GET', `configurations/group/${group}`)).body.code).toBe('CONFIGURATION_NOT_FOUND');
    expect((await cp.api('DELETE', `configurations/group/${group}`)).status).toBe(404);
    const { items } = (await cp.api('GET', `configurations/group/${group}/versions?limit=2`)).body;
    expect(items.map(({ version }: ConfigurationView) => version)).toEqual([4, 3]);
    const again = await cp.api('POST', `configurations/group/${group}/rollback`, { version: 2, comment: 'after all' });
    expect(again.body.configuration).toMatchObject({ version: 5, slots: { label: folder('two') }, comment: 'after all' });
    const gone = await cp.api('POST', `configurations/group/${group}/rollback`, { version: 4 });
    expect(gone.body.detail).toBe(`group/${group} was deleted with version 4: there is nothing to go back to`);
  });

  it('is listed page by page, newest first, without those that are deleted', async () => {
    const groups = [await aGroup(0), await aGroup(0), await aGroup(0)].map(({ group }) => group);
    for (const group of groups) await pushed({ group }, { label: folder('x') });
    await cp.api('DELETE', `configurations/group/${groups[1]}`);
    const names: string[] = [];
    let cursor = '';
    do {
      const { body } = await cp.api('GET', `configurations?limit=1${cursor}`);
      names.push(...body.items.map(({ name }: ConfigurationView) => name));
      cursor = body.next ? `&cursor=${encodeURIComponent(body.next)}` : '';
    } while (cursor);
    expect(names.slice(0, 2)).toEqual([groups[2], groups[0]]);
    expect(names).not.toContain(groups[1]);
  });

  it('is told in the event log', async () => {
    const { group } = await aGroup(1);
    await pushed({ group }, { label: folder('x') }, { comment: 'why' });
    const { items } = (await cp.api('GET', 'events?kind=configuration-pushed&limit=1')).body;
    expect(items[0]).toMatchObject({
      actor: 'admin',
      message: `configuration of group/${group} is now version 1; 1 device is sent it (why)`,
      data: { scope: 'group', name: group, version: 1, devices: 1 },
    });
  });
});

describe('a push', () => {
  it.each<[string, Written, string]>([
    [
      'an unknown key',
      { slots: { label: { source: { directory: 'a', perSecnd: 1 } } } },
      'slots.label.source: unknown key "perSecnd"; did you mean "perSecond"?',
    ],
    [
      'a source of no known kind',
      { slots: { label: { source: { radar: 1 } } } },
      'slots.label.source: none of its keys (radar) says',
    ],
    [
      'a password',
      { slots: { label: { source: { mqtt: 'mqtt://h', topic: 't', password: 'x' } } } },
      'did you mean "passwordFile"?',
    ],
    ['nobody to whom it is said', { group: undefined }, 'needs exactly one of group and device'],
    ['another kind of document', { kind: 'Rollout' }, 'kind: Invalid input: expected "Configuration"'],
  ])('with %s is refused in a sentence, and changes nothing', async (_what, change, sentence) => {
    const { group, ids } = await aGroup(1);
    const answer = await refused({ ...fileFor({ group }, { label: folder('x') }), ...change });
    expect(answer).toContain('400 INVALID_REQUEST: ');
    expect(answer).toContain(sentence);
    expect(await outboxOf(ids[0]!)).toBe(0);
  });

  it('to a group or a device that is not there is refused', async () => {
    expect(await refused(fileFor({ group: 'nobody' }, { x: folder('x') }))).toBe('404 GROUP_NOT_FOUND: no group nobody');
    expect(await refused(fileFor({ device: 'nobody' }, { x: folder('x') }))).toBe(
      '404 DEVICE_NOT_FOUND: no active device nobody; nothing was changed',
    );
  });

  it('of a huge document is refused before it is read further', async () => {
    const { group } = await aGroup(1);
    const columns = Array.from({ length: 4096 }, () => 'c'.repeat(100));
    expect(await refused(fileFor({ group }, { x: { source: { lines: { file: 'a' }, columns } } }))).toBe(
      `400 INVALID_REQUEST: slots: is larger than ${maxConfigurationBytes / 1024} KiB`,
    );
  });

  it('that would be too much together with what others say is refused, and what is sent fits a message', async () => {
    const { site, ids } = await aGroup(1);
    const columns = Array.from({ length: 640 }, () => 'c'.repeat(95));
    const big = (slot: string) => ({ [slot]: { source: { lines: { file: 'a' }, columns } } });
    const push = async (name: string) => {
      await cp.api('POST', 'groups', { name: `${site}-${name}`, selector: `site=${site}` });
      return refused(fileFor({ group: `${site}-${name}` }, big(name)));
    };
    expect(await push('a')).toMatch(/^200/);
    expect(await push('b')).toMatch(/^200/);
    expect(await push('c')).toMatch(new RegExp(`^400 INVALID_REQUEST: all that would reach ${ids[0]} is \\d+ bytes`));
    const { state } = await desired(ids[0]!);
    const jws = await cp.app.get(TrustService).signDesired(state);
    expect(jws.length).toBeLessThan(maxPayloadBytes);
  });

  it('notes a slot that none of its devices has', async () => {
    const { group, ids } = await aGroup(1);
    await db.query(`INSERT INTO slot_report (device, slot, state, at) VALUES ($1, 'label', 'idle', now())`, [ids[0]]);
    expect((await pushed({ group }, { lable: folder('x') })).notes).toEqual([
      `no device of group/${group} has reported a slot "lable"; their slots are: label`,
    ]);
    expect((await pushed({ group: (await aGroup(0)).group }, { x: folder('x') })).notes[0]).toContain('has no active device yet');
  });
});

describe('two groups', () => {
  const overlapping = async () => {
    const { site, ids } = await aGroup(1);
    for (const name of ['a', 'b']) await cp.api('POST', 'groups', { name: `${site}-${name}`, selector: `site=${site}` });
    return { a: `${site}-a`, b: `${site}-b`, id: ids[0]! };
  };

  it('of one priority may not say two things on one device; with a priority the higher wins', async () => {
    const { a, b, id } = await overlapping();
    await pushed({ group: a }, { label: folder('a') });
    const file = fileFor({ group: b }, { label: folder('b') });
    expect(await refused(file)).toBe(
      `409 CONFIGURATION_CONFLICT: group/${a} and group/${b} would both say slots.label.source on ${id} with priority 0: give one of them a higher "priority"; nothing was changed`,
    );
    expect(await gatewayOf(id)).toMatchObject({ slots: { label: folder('a') } });
    await pushed({ group: b }, { label: folder('b') }, { priority: 5 });
    expect(await gatewayOf(id)).toMatchObject({ slots: { label: folder('b') } });
    expect((await shown(id)).conflicts).toEqual([]);
  });

  it('that come to overlap later are decided by name, and the conflict is shown', async () => {
    const { group, site, ids } = await aGroup(1);
    const another = `a${site}`;
    await cp.api('POST', 'groups', { name: another, selector: `line=${site}` });
    await pushed({ group }, { label: folder('by site') });
    await pushed({ group: another }, { label: folder('by line') });
    await cp.api('PUT', `devices/${ids[0]}/labels`, { labels: { site, line: site } });
    const { conflicts, sections } = await shown(ids[0]!);
    expect(sections[0]).toMatchObject({ value: { directory: 'by line' }, from: { name: another } });
    expect(conflicts).toEqual([expect.stringContaining(`group/${another} is obeyed, as the first by name`)]);
  });
});

describe('a device', () => {
  it('that comes into a group by its labels is sent its configuration, and loses it when it leaves', async () => {
    const { group, site, ids } = await aGroup(1);
    await pushed({ group }, { label: folder('x') });
    const [late] = await enrolled(cp, aNewDevice(`late-${site}`));
    expect(await gatewayOf(late!)).toBeUndefined();
    const { epoch } = (await desired(late!)).state;
    await cp.api('PUT', `devices/${late}/labels`, { labels: { site } });
    expect(await outboxOf(late!)).toBe(1);
    expect((await desired(late!)).state).toMatchObject({
      epoch: epoch + 1,
      config: { gateway: { slots: { label: folder('x') } } },
    });
    await cp.api('PUT', `devices/${ids[0]}/labels`, { labels: {} });
    expect(await gatewayOf(ids[0]!)).toBeUndefined();
  });

  it('that comes into a group while its configuration changes is found all the same', async () => {
    const { group, site } = await aGroup(1);
    const [late] = (await enrolled(cp, aNewDevice(`racing-${site}`))) as [DeviceId];
    const [spread, repository] = [cp.app.get(ConfigurationSpread), cp.app.get(ConfigurationsRepository)];
    const owner = { scope: 'group' as const, name: group };
    const reach = await db.transaction(async (tx) => {
      const before = await spread.reach(tx, owner);
      // It is told its orders before anybody can see the change that is about to be committed.
      await cp.api('PUT', `devices/${late}/labels`, { labels: { site } });
      expect(await gatewayOf(late)).toBeUndefined();
      await repository.write(tx, owner, { slots: { label: folder('x') }, priority: 0, comment: null, actor: 'admin' });
      await spread.raise(tx, before);
      return before;
    });
    const sent = await outboxOf(late);
    await db.transaction((tx) => spread.latecomers(tx, reach));
    expect(await outboxOf(late)).toBe(sent + 1);
    expect(await gatewayOf(late)).toMatchObject({ slots: { label: folder('x') } });
  });

  it('of a static group is reached too; the group stays while it has a configuration', async () => {
    const { group, ids } = await aGroup(1, false);
    await pushed({ group }, { label: folder('x') });
    expect(await gatewayOf(ids[0]!)).toMatchObject({ slots: { label: folder('x') } });
    const kept = await cp.api('DELETE', `groups/${group}`);
    expect([kept.status, kept.body.detail]).toEqual([
      409,
      `group ${group} has a configuration: delete that first with \`flotilla configurations delete group/${group}\``,
    ]);
    await cp.api('DELETE', `configurations/group/${group}`);
    expect((await cp.api('DELETE', `groups/${group}`)).status).toBe(204);
  });

  it('that is removed leaves nothing to a later one of its name', async () => {
    const { ids } = await aGroup(1);
    await pushed({ device: ids[0] }, { label: folder('old') });
    await cp.api('DELETE', `devices/${ids[0]}`);
    await enrolled(cp, aNewDevice(ids[0]!));
    expect(await gatewayOf(ids[0]!)).toBeUndefined();
    expect(await pushed({ device: ids[0] }, { label: folder('old') })).toMatchObject({
      changed: true,
      configuration: { version: 3 },
    });
  });
});

describe('what a device says of its configuration', () => {
  const boot = BootId.parse(randomUUID());
  const say = (device: DeviceId, report: Pick<ConfigurationEvent, 'epoch'> & Partial<ConfigurationEvent>, seq = 0) => {
    const event: ConfigurationEvent = { type: 'configuration', boot, uptime: 1, slots: [], refused: [], ...report };
    return db.transaction((tx) => cp.app.get(DeviceReports).record(tx, [{ device, seq, event }], []));
  };
  const logged = async (device: DeviceId) =>
    (await cp.api('GET', `events?device=${device}&kind=configuration-applied,configuration-refused`)).body.items.map(
      ({ message }: { message: string }) => message,
    );

  it('is shown beside what it is sent: nothing, pending, applied, refused', async () => {
    const { group, ids } = await aGroup(1);
    const [id] = ids as [DeviceId];
    expect((await shown(id)).state).toBe('none');
    await pushed({ group }, { label: folder('a') });
    expect((await shown(id)).state).toBe('pending');
    const digest = digestOf(await gatewayOf(id));
    await say(id, { epoch: 2, digest, slots: [{ slot: SlotName.parse('label'), from: { source: 'desired state, epoch 2' } }] });
    expect(await shown(id)).toMatchObject({ state: 'applied', reported: { epoch: 2 } });
    await say(id, { epoch: 2, digest, refused: [{ slot: 'label', reason: 'not open' }] });
    expect(await shown(id)).toMatchObject({ state: 'refused', reported: { refused: [{ reason: 'not open' }] } });
    await pushed({ group }, { label: folder('b') });
    expect((await shown(id)).state).toBe('pending');
    await cp.api('DELETE', `configurations/group/${group}`);
    await say(id, { epoch: 4 });
    expect((await shown(id)).state).toBe('none');
  });

  it('is told in the log once, however often it is said, and not by a report that comes late', async () => {
    const { group, ids } = await aGroup(1);
    const [id] = ids as [DeviceId];
    await pushed({ group }, { label: folder('a') });
    const digest = digestOf(await gatewayOf(id));
    await say(id, { epoch: 2, digest });
    await say(id, { epoch: 2, digest });
    await say(id, { epoch: 1, digest: digestOf('older'), refused: [{ reason: 'late' }] });
    expect(await logged(id)).toEqual([`${id} goes by its configuration of epoch 2`]);
    expect((await shown(id)).state).toBe('applied');
  });

  it('is forgotten with its board', async () => {
    const { group, ids } = await aGroup(1);
    const [id] = ids as [DeviceId];
    await pushed({ group }, { label: folder('a') });
    await say(id, { epoch: 2, digest: digestOf(await gatewayOf(id)) });
    await reboarded(cp, aNewDevice(id));
    expect(await shown(id)).toMatchObject({ state: 'pending', sections: [{ slot: 'label' }] });
  });
});
