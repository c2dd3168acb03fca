import { DeviceReports } from '@flotilla/control-plane/link/device-reports';
import { DeviceSessions } from '@flotilla/control-plane/link/device-sessions';
import { DeviceLabels } from '@flotilla/control-plane/fleet/device-labels';
import { GroupMemberships } from '@flotilla/control-plane/fleet/group-memberships';
import { OutboxDispatcher } from '@flotilla/control-plane/link/outbox-dispatcher';
import { type Birth, DeviceId, type Digest, TenantId } from '@flotilla/protocol';
import fc from 'fast-check';
import { satisfies } from 'semver';
import { DataSource } from 'typeorm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { aControlPlane, type TestControlPlane } from '../support/control-plane.js';
import { newBoot, newStream } from '../support/fake-device.js';
import { aNewDevice, enrolled, reboarded } from '../support/fleet.js';
import { anUpdate } from '../support/records.js';
import { aRelease, digestOfRelease, pushed } from '../support/releases.js';
import { until } from '../support/until.js';

let cp: TestControlPlane;
let db: DataSource;
const releases = [aRelease('1.0.0'), aRelease('1.1.0')];
const deployment = 'd7f0c2de-91a5-4c9c-8a52-6f3a1d6f0b11';

beforeAll(async () => {
  cp = await aControlPlane();
  db = cp.app.get(DataSource);
  await cp.app.get(OutboxDispatcher).stop();
  for (const release of releases) await pushed(cp, release);
});
afterAll(() => cp?.stop());
beforeEach(() => db.query(`TRUNCATE device, device_group, group_member, slot_report, outbox, device_tombstone, device_stream`));

/** The fleet as the test knows it: who is there, and what selectors would read. */
type Known = { labels: Record<string, string>; agent: string | undefined; runs: number | undefined };
type Model = { devices: Map<string, Known>; selectors: Map<string, string>; lists: Map<string, Set<string>> };
type Holds = (device: Known, id: string, model: Model) => boolean;

/** Each selector beside what it means, said a second time and without SQL. */
const meanings: Readonly<Record<string, Holds>> = {
  '*': () => true,
  'site=lyon': ({ labels }) => labels['site'] === 'lyon',
  'site!=lyon, line': ({ labels }) => labels['site'] !== 'lyon' && labels['line'] !== undefined,
  'line in (1,2), !pinned': ({ labels }) => ['1', '2'].includes(labels['line']!) && labels['pinned'] === undefined,
  'agent>=1.2': ({ agent }) => agent !== undefined && satisfies(agent, '>=1.2'),
  'agent<1.2, site': ({ agent, labels }) => agent !== undefined && satisfies(agent, '<1.2') && labels['site'] !== undefined,
  'release.inspection=product-classifier@1.1.0': ({ runs }) => runs === 1,
  '!release, site=turin': ({ runs, labels }) => runs === undefined && labels['site'] === 'turin',
  'group=listed, site': ({ labels }, id, { lists }) => lists.get('listed')!.has(id) && labels['site'] !== undefined,
  'group!=g0, release': ({ runs }, id, model) => runs !== undefined && !isIn('g0', id, model),
  'group in (g1, listed), agent': ({ agent }, id, model) =>
    agent !== undefined && (isIn('g1', id, model) || model.lists.get('listed')!.has(id)),
};
const selectors = Object.keys(meanings);
const isIn = (group: string, id: string, model: Model): boolean =>
  meanings[model.selectors.get(group)!]!(model.devices.get(id)!, id, model);

const fleet = ['d0', 'd1', 'd2', 'd3', 'd4', 'd5'];
const device = fc.constantFrom(...fleet);
const labels = fc.record(
  { site: fc.constantFrom('lyon', 'turin'), line: fc.constantFrom('1', '2', '3'), pinned: fc.constant('yes') },
  { requiredKeys: [] },
);
const change = fc.oneof(
  { weight: 3, arbitrary: fc.record({ type: fc.constant('enrol' as const), device, labels }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('label' as const), device, labels }) },
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant('birth' as const),
      device,
      agent: fc.constantFrom('0.9.0', '1.1.9', '1.2.0', '2.0.1'),
      runs: fc.option(fc.constantFrom(0, 1), { nil: undefined }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('commit' as const), device, runs: fc.constantFrom(0, 1) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('remove' as const), device }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('replace' as const), device }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('list' as const), devices: fc.uniqueArray(device) }) },
  {
    weight: 2,
    // g0 and g1 are named by others, and name none themselves: no circle comes about.
    arbitrary: fc.record({ type: fc.constant('select' as const), group: fc.constantFrom('g0', 'g1'), to: fc.nat(7) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ type: fc.constant('select' as const), group: fc.constantFrom('g2', 'g3', 'g4'), to: fc.nat(10) }),
  },
);
type Change = typeof change extends fc.Arbitrary<infer T> ? T : never;

const digestOf = (runs: number): Digest => digestOfRelease(releases[runs]!);
const slotOf = (runs: number) => ({ slot: 'inspection', deployment, digest: digestOf(runs), committed: digestOf(runs) });
async function commits(id: string, runs: number): Promise<void> {
  const event = anUpdate(newBoot(), { ...slotOf(runs), state: 'committed' } as Parameters<typeof anUpdate>[1]);
  await db.transaction((tx) => cp.app.get(DeviceReports).record(tx, [{ device: DeviceId.parse(id), seq: 0, event }], []));
}
async function born(id: string, agent: string, runs: number | undefined): Promise<void> {
  const sender = { tenant: TenantId.parse('default'), device: DeviceId.parse(id) };
  const slots = runs === undefined ? [] : [{ ...slotOf(runs), state: 'committed' as const }];
  const facts = { agent, profile: 'generic-x64', hardwareClass: 'generic-x64/1.30.0+avx2', notes: [], epoch: 0 };
  const birth = { v: 1, stream: newStream(), session: 0, boot: newBoot(), uptime: 1, next: 0, base: 0, ...facts, slots };
  await cp.app.get(DeviceSessions).born(sender, birth as unknown as Birth, new Date());
}

/** Does it, and notes it. What makes no sense now (a device that is not there) is left out. */
async function make(step: Change, model: Model): Promise<void> {
  const known = 'device' in step ? model.devices.get(step.device) : undefined;
  if (step.type === 'list') {
    const there = step.devices.filter((id) => model.devices.has(id));
    await cp.api('PATCH', 'groups/listed', { devices: there });
    model.lists.set('listed', new Set(there));
  } else if (step.type === 'select') {
    await cp.api('PATCH', `groups/${step.group}`, { selector: selectors[step.to]! });
    model.selectors.set(step.group, selectors[step.to]!);
  } else if (step.type === 'enrol') {
    if (known) return;
    await enrolled(cp, aNewDevice(step.device, { labels: step.labels }));
    model.devices.set(step.device, { labels: step.labels, agent: undefined, runs: undefined });
  } else if (known) await makeOf(step, known, model);
}

async function makeOf(step: Extract<Change, { device: string }>, known: Known, model: Model): Promise<void> {
  const id = step.device;
  if (step.type === 'label') {
    await cp.api('PUT', `devices/${id}/labels`, { labels: step.labels });
    known.labels = step.labels;
  } else if (step.type === 'birth') {
    await born(id, step.agent, step.runs);
    Object.assign(known, { agent: step.agent, runs: step.runs });
  } else if (step.type === 'commit') {
    await commits(id, step.runs);
    known.runs = step.runs;
  } else if (step.type === 'replace') {
    await reboarded(cp, aNewDevice(id));
    Object.assign(known, { agent: undefined, runs: undefined });
  } else if (step.type === 'remove') {
    await cp.api('DELETE', `devices/${id}`);
    model.devices.delete(id);
    for (const list of model.lists.values()) list.delete(id);
  }
}

const table = async () => {
  const rows = await db.query<{ entry: string }[]>(`SELECT group_name || ' ' || device entry FROM group_member ORDER BY 1`);
  return rows.map(({ entry }) => entry);
};
function expected(model: Model): string[] {
  const dynamic = [...model.selectors.keys()].flatMap((group) =>
    [...model.devices.keys()].filter((id) => isIn(group, id, model)).map((id) => `${group} ${id}`),
  );
  const listed = [...model.lists].flatMap(([group, ids]) => [...ids].map((id) => `${group} ${id}`));
  return [...dynamic, ...listed].toSorted();
}

describe('members of groups', () => {
  it('are what a full evaluation says, whatever has changed', async () => {
    const steps = fc.array(change, { minLength: 12, maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(steps, async (made) => {
        await db.query(`TRUNCATE device, device_group, group_member, slot_report, outbox, device_tombstone, device_stream`);
        const model: Model = { devices: new Map(), selectors: new Map(), lists: new Map([['listed', new Set()]]) };
        await cp.api('POST', 'groups', { name: 'listed', devices: [] });
        for (const [i, selector] of ['site=lyon', 'agent>=1.2', ...selectors.slice(8)].entries()) {
          expect((await cp.api('POST', 'groups', { name: `g${i}`, selector })).status).toBe(201);
          model.selectors.set(`g${i}`, selector);
        }
        for (const step of made) {
          await make(step, model);
          expect(await table(), JSON.stringify(step)).toEqual(expected(model));
        }
      }),
      { numRuns: 15, seed: 20_261_127 },
    );
  }, 120_000);

  it('are right when everything changes at once: labels, reports, births and groups on many connections', async () => {
    await enrolled(cp, ...fleet.map((id) => aNewDevice(id)));
    await cp.api('POST', 'groups', {
      name: 'g0',
      selector: 'site=lyon, agent>=1.2, release.inspection=product-classifier@1.1.0',
    });
    for (let round = 0; round < 8; round++) {
      const all = fleet.flatMap((id): Promise<unknown>[] => [
        cp.api('PUT', `devices/${id}/labels`, { labels: { site: round % 2 ? 'lyon' : 'turin' } }),
        born(id, round % 3 ? '1.3.0' : '1.1.0', round % 2),
        commits(id, 1),
      ]);
      all.push(
        cp.api('POST', 'groups', { name: `late${round}`, selector: 'site=lyon, release.inspection=product-classifier@1.1.0' }),
      );
      all.push(cp.api('PATCH', 'groups/g0', { selector: round % 2 ? 'group!=late0, site=lyon' : 'site=lyon, agent>=1.2' }));
      await Promise.all(all);
      const kept = await table();
      await db.transaction(async (tx) => {
        const memberships = cp.app.get(GroupMemberships);
        await memberships.lock(tx);
        for (const { name } of await memberships.definitions(tx)) await memberships.groupChanged(tx, name);
      });
      expect(kept).toEqual(await table());
    }
  }, 120_000);

  it('see both of two changes of one device that cross each other', async () => {
    await enrolled(cp, aNewDevice('d0'));
    await cp.api('POST', 'groups', { name: 'g0', selector: 'site=lyon, release' });
    const [changed, crossed] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const first = db.transaction(async (tx) => {
      await cp.app.get(DeviceLabels).replace(tx, [{ device: DeviceId.parse('d0'), labels: { site: 'lyon' } }]);
      changed.resolve();
      await crossed.promise;
    });
    await changed.promise;
    let isOver = false;
    const second = commits('d0', 1).finally(() => (isOver = true));
    const waits = async () => {
      const [{ n }] = await db.query<[{ n: number }]>(`SELECT count(*)::int n FROM pg_locks WHERE NOT granted`);
      return isOver || n > 0;
    };
    await until(waits, 'the second change has got as far as it can');
    crossed.resolve();
    await Promise.all([first, second]);
    expect(await table()).toEqual(['g0 d0']);
  });

  it('are not looked through when one device of 100,000 changes', async () => {
    const rows = (n: number) =>
      db.query(
        `INSERT INTO device (id, tenant, status, profile, hardware_class, labels, notes, key_thumbprint, certificate_serial, certificate_expires_at, enrolled_at)
         SELECT 'bulk-' || i, 'default', 'active', 'generic-x64', 'generic-x64/1.30.0', jsonb_build_object('site', 's' || i % 100), '[]', i, i, now(), now()
         FROM generate_series(1, $1) i`,
        [n],
      );
    await rows(100_000);
    await db.query('ANALYZE device');
    for (let i = 0; i < 50; i++) await cp.api('POST', 'groups', { name: `site-${i}`, selector: `site=s${i}, !pinned` });
    await cp.api('POST', 'groups', { name: 'nested', selector: 'group in (site-1, site-2)' });
    await db.query('ANALYZE group_member');
    const read = await db.transaction(async (tx) => {
      await tx.query(`UPDATE device SET labels = '{"site":"s1"}' WHERE id = 'bulk-7'`);
      const looked = async () => {
        const [row] = await tx.query<[{ n: string }]>(
          `SELECT sum(seq_tup_read + idx_tup_fetch) n FROM pg_stat_xact_user_tables WHERE relname IN ('device', 'group_member')`,
        );
        return Number(row.n);
      };
      const before = await looked();
      await cp.app.get(GroupMemberships).devicesChanged(tx, [DeviceId.parse('bulk-7')], ['label:site']);
      return (await looked()) - before;
    });
    expect(read).toBeLessThan(50);
    expect((await cp.api('GET', 'devices/bulk-7')).body.groups).toEqual(['nested', 'site-1']);
  }, 120_000);
});
