import { randomUUID } from 'node:crypto';
import { GroupMemberships } from '@flotilla/control-plane/fleet/group-memberships';
import { DeviceReports } from '@flotilla/control-plane/link/device-reports';
import { DeviceSessions } from '@flotilla/control-plane/link/device-sessions';
import { OutboxDispatcher } from '@flotilla/control-plane/link/outbox-dispatcher';
import { BootId, DeploymentId, DeviceId, type Digest, type ReportedSlot, SlotName, TenantId } from '@flotilla/protocol';
import { DataSource } from 'typeorm';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { aControlPlane, type TestControlPlane } from '../support/control-plane.js';
import { newBoot, newStream } from '../support/fake-device.js';
import { aNewDevice, enrolled } from '../support/fleet.js';
import { anUpdate } from '../support/records.js';
import { aRelease, digestOfRelease, pushed } from '../support/releases.js';

let cp: TestControlPlane;
let db: DataSource;
const slot = SlotName.parse('inspection');
const old = aRelease('1.0.0');
const newer = aRelease('1.1.0');

beforeAll(async () => {
  cp = await aControlPlane();
  db = cp.app.get(DataSource);
  await cp.app.get(OutboxDispatcher).stop();
  await pushed(cp, old);
  await pushed(cp, newer);
});
afterAll(() => cp?.stop());
/** Each test has the fleet to itself. */
afterEach(() =>
  db.query(`TRUNCATE device, device_group, group_member, slot_report, configuration, configuration_version, outbox`),
);

const group = async (name: string, selector: string) => {
  const { status, body } = await cp.api('POST', 'groups', { name, selector });
  expect([status, body.detail]).toEqual([201, undefined]);
};
const members = async (name: string): Promise<string[]> => (await cp.api('GET', `groups/${name}`)).body.members;
const label = (id: string, labels: Record<string, string>) => cp.api('PUT', `devices/${id}/labels`, { labels });
const selected = async (selector: string): Promise<string[]> => {
  const { body } = await cp.api('GET', `devices?selector=${encodeURIComponent(selector)}`);
  return body.items.map((item: { id: string }) => item.id).toSorted();
};
const runs = (digest: Digest): ReportedSlot => ({
  slot,
  deployment: DeploymentId.parse(randomUUID()),
  digest,
  committed: digest,
  state: 'committed',
});
/** What a device says of itself when it connects. */
async function born(id: string, facts: { agent?: string; profile?: string; hardwareClass?: string; slots?: ReportedSlot[] }) {
  const sender = { tenant: TenantId.parse('default'), device: DeviceId.parse(id) };
  const known = { agent: '0.1.0', profile: 'generic-x64', hardwareClass: 'generic-x64/1.30.0+avx2', notes: [], slots: [] };
  const birth = { v: 1 as const, stream: newStream(), session: 0, boot: newBoot(), uptime: 1, next: 0, base: 0, epoch: 0 };
  await cp.app.get(DeviceSessions).born(sender, { ...birth, ...known, ...facts }, new Date());
}

describe('a selector', () => {
  it.each<[string, boolean]>([
    ['*', true],
    ['site=lyon', true],
    ['site==lyon', true],
    ['site = turin', false],
    ['site!=turin', true],
    ['site != lyon', false],
    ['floor!=2', true],
    ['line in (1,2)', false],
    ['line in ( 2, 3 )', true],
    ['floor in (1)', false],
    ['line notin (1, 2)', true],
    ['line notin (3)', false],
    ['floor notin (3)', true],
    ['canary', true],
    ['pinned', false],
    ['!pinned', true],
    ['!canary', false],
    ['site in (lyon, turin), !pinned', true],
    ['site=lyon,line=4', false],
    ['*, canary=true', true],
    ['note="by the door"', true],
    ['"site"=lyon', true],
    ['note=""', false],
    ['id=lyon-3', true],
    ['profile in (raspberry-pi-4, raspberry-pi-5)', true],
    ['hardwareClass=raspberry-pi-5/1.30.0+dotprod', true],
    ['agent=1.2.3', true],
    ['agent>=1.2', true],
    ['agent>=1.2.3', true],
    ['agent>1.2', false],
    ['agent>1.1, agent<2', true],
    ['agent<=1.2', true],
    ['agent<1.2.3', false],
    ['agent>1.2.3', false],
    ['release', true],
    ['!release', false],
    ['release=product-classifier@1.0.0', true],
    ['release=product-classifier', true],
    ['release.inspection in (product-classifier@1.1.0, product-classifier@1.0.0)', true],
    ['release.inspection!=product-classifier@1.1.0', true],
    ['release.inspection!=product-classifier@1.0.0', false],
    ['release.counting', false],
    ['!release.counting', true],
    ['release.counting=product-classifier@1.0.0', false],
    ['group=both', true],
    ['group!=both', false],
    ['group in (both, other), site=lyon', true],
    ['in=notin', false],
    ['constructor', false],
  ])('%s', async (text, expected) => {
    const labels = { site: 'lyon', line: '3', note: 'by the door', canary: 'true' };
    await enrolled(cp, aNewDevice('lyon-3', { labels }));
    await born('lyon-3', {
      agent: '1.2.3',
      profile: 'raspberry-pi-5',
      hardwareClass: 'raspberry-pi-5/1.30.0+dotprod',
      slots: [runs(digestOfRelease(old))],
    });
    await group('both', 'site=lyon');
    await group('other', 'site=mars');
    expect(await selected(text)).toEqual(expected ? ['lyon-3'] : []);
  });

  it('takes an agent that has not reported yet as absent, and what is no version as none', async () => {
    await enrolled(cp, aNewDevice('new'), aNewDevice('odd'), aNewDevice('early'));
    await born('odd', { agent: 'built-by-hand' });
    await born('early', { agent: '1.3.0-rc.1' });
    expect(await selected('!agent')).toEqual(['new']);
    expect(await selected('agent>=0')).toEqual(['early']);
    expect(await selected('agent<1.3')).toEqual(['early']);
    expect(await selected('agent>=1.3')).toEqual([]);
  });

  it('that names no group that there is, is refused', async () => {
    const { body } = await cp.api('GET', `devices?selector=${encodeURIComponent('group=nowhere')}`);
    expect(body).toMatchObject({ code: 'GROUP_NOT_FOUND', detail: 'selector: no group nowhere' });
  });
});

describe('a group', () => {
  it('follows labels, in the same breath', async () => {
    await enrolled(cp, aNewDevice('a', { labels: { site: 'lyon' } }), aNewDevice('b'));
    await group('lyon', 'site=lyon, !pinned');
    expect(await members('lyon')).toEqual(['a']);
    expect((await label('b', { site: 'lyon' })).body.groups).toEqual(['lyon']);
    await label('a', { site: 'lyon', pinned: 'yes' });
    expect(await members('lyon')).toEqual(['b']);
  });

  it('follows what devices report at a birth, and what they come to run', async () => {
    await enrolled(cp, aNewDevice('a'));
    await group('recent', 'agent>=1.2');
    await group('on-old', 'release.inspection=product-classifier@1.0.0');
    expect([await members('recent'), await members('on-old')]).toEqual([[], []]);
    const first = runs(digestOfRelease(old));
    await born('a', { agent: '1.2.0', slots: [first] });
    expect([await members('recent'), await members('on-old')]).toEqual([['a'], ['a']]);
    const digest = digestOfRelease(newer);
    const update = anUpdate(newBoot() as BootId, {
      slot,
      deployment: first.deployment!,
      digest,
      committed: digest,
      state: 'committed',
    });
    await db.transaction((tx) =>
      cp.app.get(DeviceReports).record(tx, [{ device: DeviceId.parse('a'), seq: 0, event: update }], []),
    );
    expect(await members('on-old')).toEqual([]);
    await born('a', { agent: '1.1.9' });
    expect(await members('recent')).toEqual([]);
  });

  it('follows the groups that it names, however deep', async () => {
    await enrolled(cp, aNewDevice('a', { labels: { site: 'lyon', line: '1' } }), aNewDevice('b', { labels: { line: '1' } }));
    await group('lyon', 'site=lyon');
    await group('lyon-lines', 'group=lyon, line');
    await group('others', 'group!=lyon-lines');
    expect([await members('lyon-lines'), await members('others')]).toEqual([['a'], ['b']]);
    await label('b', { site: 'lyon', line: '2' });
    expect([await members('lyon-lines'), await members('others')]).toEqual([['a', 'b'], []]);
    await cp.api('PATCH', 'groups/lyon', { selector: 'site=turin' });
    expect([await members('lyon-lines'), await members('others')]).toEqual([[], ['a', 'b']]);
  });

  it('may name a list, whose devices are added and taken out', async () => {
    await enrolled(cp, aNewDevice('a'), aNewDevice('b'), aNewDevice('c'));
    await cp.api('POST', 'groups', { name: 'chosen', devices: ['a'] });
    await group('rest', 'group!=chosen');
    const { body } = await cp.api('PATCH', 'groups/chosen', { add: ['b'], remove: ['a'] });
    expect(body).toMatchObject({ name: 'chosen', size: 1, members: ['b'], facts: [] });
    expect(await members('rest')).toEqual(['a', 'c']);
    await cp.api('PATCH', 'groups/chosen', { devices: ['c', 'a'] });
    expect([await members('chosen'), await members('rest')]).toEqual([['a', 'c'], ['b']]);
    expect((await cp.api('PATCH', 'groups/chosen', { add: ['a'], remove: ['a'] })).body.detail).toBe(
      'a is to be added and removed',
    );
  });

  it('loses a device that is removed, and has one that enrols', async () => {
    await enrolled(cp, aNewDevice('a'), aNewDevice('b'));
    await group('all', '*');
    await cp.api('DELETE', 'devices/a');
    await enrolled(cp, aNewDevice('c'));
    expect(await members('all')).toEqual(['b', 'c']);
  });

  it('says which reports of devices it depends on, also by way of others', async () => {
    await group('plain', 'site=lyon, id!=x');
    await group('recent', 'agent>=1, release.inspection');
    await group('both', 'group in (plain, recent), profile=generic-x64');
    const facts = async (name: string) => (await cp.api('GET', `groups/${name}`)).body.facts;
    expect([await facts('plain'), await facts('recent'), await facts('both')]).toEqual([
      [],
      ['agent', 'release'],
      ['agent', 'profile', 'release'],
    ]);
  });

  it('cannot be in itself, name what is not there, or go while it is named', async () => {
    await group('a', 'site=lyon');
    await group('b', 'group=a');
    await group('c', 'group=b, group!=a');
    const answers = await Promise.all([
      cp.api('PATCH', 'groups/a', { selector: 'group=c' }),
      cp.api('POST', 'groups', { name: 'self', selector: 'group=self' }),
      cp.api('PATCH', 'groups/a', { selector: 'group=nowhere' }),
      cp.api('DELETE', 'groups/a'),
      cp.api('PATCH', 'groups/a', { devices: [] }),
    ]);
    expect(answers.map(({ body }) => body.detail)).toEqual([
      'selector: a would be in itself: a → c → b → a',
      'selector: self would be in itself: self → self',
      'selector: no group nowhere',
      'group b names group a in its selector: change or remove that first',
      'group a has a selector, site=lyon: give another selector, no devices',
    ]);
  });

  it('is previewed: who would be in, who would join, who would leave', async () => {
    await enrolled(
      cp,
      aNewDevice('a', { labels: { site: 'lyon' } }),
      aNewDevice('b', { labels: { line: '1' } }),
      aNewDevice('c'),
    );
    await group('lyon', 'site=lyon');
    const { body } = await cp.api('POST', 'groups/preview', { selector: '!site, !line', group: 'lyon' });
    expect(body).toEqual({
      size: 1,
      members: ['c'],
      facts: [],
      joining: { size: 1, members: ['c'] },
      leaving: { size: 1, members: ['a'] },
    });
    expect((await cp.api('POST', 'groups/preview', { selector: 'agent<1, line' })).body).toEqual({
      size: 0,
      members: [],
      facts: ['agent'],
    });
    expect(await members('lyon')).toEqual(['a']);
  });

  it('with a configuration tells the devices that come and go, and no others', async () => {
    await enrolled(cp, aNewDevice('a', { labels: { site: 'lyon' } }), aNewDevice('b'), aNewDevice('c'));
    await group('lyon', 'site=lyon');
    await group('turin', 'site=turin');
    const slots = { inspection: { source: { directory: '/srv/pictures' } } };
    await cp.api('POST', 'configurations', { apiVersion: 'flotilla/v1', kind: 'Configuration', group: 'lyon', slots });
    await db.query('TRUNCATE outbox');
    await label('b', { site: 'lyon' });
    await label('a', { site: 'lyon', more: 'yes' });
    await label('c', { site: 'turin' });
    const rows = await db.query<{ effect: unknown }[]>('SELECT effect FROM outbox');
    expect(rows.map(({ effect }) => effect)).toEqual([{ type: 'send-desired', device: 'b' }]);
    expect((await cp.api('GET', 'devices/b/configuration')).body.sections).toHaveLength(1);
  });

  it('of a version that kept no members is looked through at the start', async () => {
    await enrolled(cp, aNewDevice('a', { labels: { site: 'lyon' } }));
    await group('lyon', 'site=lyon');
    await group('named', 'group=lyon');
    await db.query('TRUNCATE group_member');
    await db.query('UPDATE device_group SET evaluated_at = NULL');
    await cp.app.get(GroupMemberships).onApplicationBootstrap();
    expect([await members('lyon'), await members('named')]).toEqual([['a'], ['a']]);
  });
});
