import { DeploymentId, type RolloutPlanInput } from '@flotilla/protocol';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { TestControlPlane } from '../support/control-plane.js';
import { anUpdate } from '../support/records.js';
import { digestOfRelease } from '../support/releases.js';
import { aRunningRig, boot, newer, old, slot, type RolloutRig } from '../support/rollout-rig.js';
import { until } from '../support/until.js';

let cp: TestControlPlane;
let rig: RolloutRig;

beforeAll(async () => void ({ cp, rig } = await aRunningRig()));
afterAll(() => cp?.stop());
afterEach(() => rig.clear());

describe('operators', () => {
  const as = async (token: string, method: string, path: string, body?: unknown) => {
    const response = await fetch(`${cp.url}/api/v1/${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: response.status, body: (await response.json().catch(() => undefined)) as Record<string, unknown> };
  };
  const operator = async (name: string, role: string): Promise<string> =>
    (await cp.api('POST', 'operators', { name, role })).body.token;

  it('approve what another has planned, as many as the plan asks for', async () => {
    const { name, devices } = await rig.aFleet(1);
    const [ann, bob, eve] = [
      await operator('ann', 'operator'),
      await operator('bob', 'approver'),
      await operator('eve', 'approver'),
    ];
    const asking = rig.plan(name, { stages: [{ name: 'all', percent: 100 }], approval: { count: 2 } });
    const { body } = await as(ann, 'POST', 'rollouts', asking);
    const [id, planHash] = [body['id'] as string, body['planHash'] as string];
    const say = (token: string, type = 'approve') => as(token, 'POST', `rollouts/${id}/commands`, { type, planHash });
    expect((await say(ann)).body['detail']).toBe('ann made this plan: somebody else has to approve it');
    expect((await say(bob)).body).toMatchObject({ phase: 'awaiting-approval', detail: '1 of 2 approvals before it starts' });
    expect((await say(eve)).body).toMatchObject({ phase: 'running' });
    rig.made.push(id);
    await rig.nextOffered(devices);
    expect((await as(bob, 'POST', `rollouts/${id}/commands`, { type: 'cancel' })).status).toBe(403);
    const { items } = (await cp.api('GET', `events?rollout=${id}&kind=rollout-running`)).body;
    expect(items).toMatchObject([{ actor: 'eve' }]);
  });

  it('may do what their role says, until they are removed', async () => {
    const [carl, dora] = [await operator('carl', 'operator'), await operator('dora', 'approver')];
    expect((await cp.api('POST', 'operators', { name: 'carl' })).body.code).toBe('OPERATOR_EXISTS');
    expect((await as(carl, 'GET', 'operators')).status).toBe(403);
    expect((await as(carl, 'POST', 'tokens', {})).status).toBe(201);
    expect((await as(dora, 'GET', 'devices')).status).toBe(200);
    expect((await as(dora, 'POST', 'tokens', {})).body).toMatchObject({ code: 'FORBIDDEN' });
    expect((await cp.api('GET', 'operators')).body.items.map((o: { name: string }) => o.name)).toEqual(
      expect.arrayContaining(['carl', 'dora']),
    );
    expect((await cp.api('DELETE', 'operators/dora')).status).toBe(204);
    expect((await as(dora, 'GET', 'devices')).status).toBe(401);
    expect((await cp.api('DELETE', 'operators/dora')).status).toBe(404);
  });
});

describe('a plan', () => {
  it('with a pace never has more devices under way than it says', async () => {
    const { name, devices } = await rig.aFleet(3);
    const one = rig.plan(name, { stages: [{ name: 'all', percent: 100, soak: 0, deadline: 600 }], pace: { maxInFlight: 1 } });
    const { id } = await rig.started(one);
    for (let i = 0; i < 3; i++) {
      const open = await rig.nextOffered(devices);
      expect(open).toHaveLength(1);
      await rig.obey(open[0]!, 12, 4);
    }
    await rig.inPhase(id, 'completed');
  });

  it('for devices that another rollout still moves is refused, or takes over from it', async () => {
    const { name, devices } = await rig.aFleet(2);
    const first = await rig.started(rig.plan(name));
    const second = rig.plan(name, { name: `again-${name}` });
    expect((await cp.api('POST', 'rollouts', second)).body.detail).toMatch(
      /^rollout "to-f\d+" still moves .* or say supersede: true$/,
    );
    const next = await rig.started({ ...second, supersede: true });
    expect(await rig.view(first.id)).toMatchObject({ phase: 'superseded', detail: expect.stringContaining(`again-${name}`) });
    expect((await rig.view(next.id)).stages[0]!.counts).toMatchObject({ open: 1 });
    expect((await rig.offered(devices)).length).toBeGreaterThan(0);
  });

  it('can be looked at before: who falls in which stage, as it then comes to be', async () => {
    const { name } = await rig.aFleet(3);
    const { body } = await cp.api('POST', 'rollouts/preview', rig.plan(name));
    expect(body).toMatchObject({ problems: [], leftOut: 0, rejected: [], stages: [{ devices: 1, offline: 1 }, { devices: 2 }] });
    const { id } = await rig.started(rig.plan(name));
    const placed = await rig.db.query<{ device: string }[]>(
      `SELECT device FROM rollout_target WHERE rollout = $1 AND stage = 0`,
      [id],
    );
    expect(placed.map((row) => row.device)).toEqual(body.stages[0].first);
    expect((await cp.api('POST', 'rollouts/preview', rig.plan(name))).body.problems).toEqual([
      expect.stringMatching(/still moves/),
    ]);
  });

  it('meets every site in its first stage, and always picks the same devices of each', async () => {
    const { name, devices } = await rig.aFleet(9, 0);
    const siteOf = (device: string) => `site-${devices.indexOf(device as (typeof devices)[number]) % 3}`;
    for (const device of devices)
      await cp.api('PUT', `devices/${device}/labels`, { labels: { fleet: name, site: siteOf(device) } });
    const stages = [
      { name: 'first', count: 3 },
      { name: 'chosen', devices: `fleet=${name},site=site-1` },
      { name: 'rest', percent: 100 },
    ];
    const placed = async () => (await cp.api('POST', 'rollouts/preview', rig.plan(name, { stages }))).body.stages;
    const [first, chosen, rest] = await placed();
    expect(new Set(first.first.map(siteOf)).size).toBe(3);
    expect(chosen.first.map(siteOf)).toEqual(['site-1', 'site-1']);
    expect(rest).toMatchObject({ devices: 4, hardwareClasses: { [(await rig.show(devices[0]!)).hardwareClass]: 4 } });
    expect(await placed()).toEqual([first, chosen, rest]);
  });

  it('with a preset need not say its stages and gates', async () => {
    const { name } = await rig.aFleet(20, 0);
    const { stages: _, gates: __, evidence: ___, ...rest } = rig.plan(name);
    const rollout = await rig.started({ ...rest, preset: 'standard' } as RolloutPlanInput);
    expect(rollout.stages.map((stage) => stage.name)).toEqual(['canary', 'tenth', 'rest']);
  });

  it('with a time to start waits for it', async () => {
    const { name, devices } = await rig.aFleet(1);
    const startAt = new Date(Date.now() + 3_600_000).toISOString();
    const { id, phase } = await rig.started(rig.plan(name, { stages: [{ name: 'all', percent: 100 }], startAt }));
    expect(phase).toBe('scheduled');
    expect(await rig.offered(devices)).toEqual([]);
    expect((await cp.api('POST', `rollouts/${id}/commands`, { type: 'cancel' })).body.phase).toBe('cancelled');
  });
});

describe('commands', () => {
  it('retry offers it again to devices that failed for reasons of the place', async () => {
    const { name, devices } = await rig.aFleet(1);
    const { id } = await rig.started(rig.plan(name, { stages: [{ name: 'all', percent: 100, soak: 0, deadline: 600 }] }));
    const [device] = await rig.nextOffered(devices);
    const before = await rig.assigned(device!);
    await rig.says(
      device!,
      [
        anUpdate(boot, {
          slot,
          deployment: DeploymentId.parse(before.deployment),
          digest: digestOfRelease(newer),
          state: 'failed',
          committed: digestOfRelease(old),
          failure: 'space',
        }),
      ],
      [],
    );
    await rig.inPhase(id, 'paused');
    expect((await cp.api('POST', `rollouts/${id}/commands`, { type: 'retry' })).status).toBe(201);
    await cp.api('POST', `rollouts/${id}/commands`, { type: 'resume', accepting: 'the disk was cleared' });
    await until(async () => (await rig.assigned(device!)).deployment !== before.deployment, 'it is offered anew', 20_000);
    await rig.obey(device!, 12, 4);
    await rig.inPhase(id, 'completed');
  });

  it('of approval are taken for the plan as it is only, and not from its author', async () => {
    const { name } = await rig.aFleet(1);
    const { id, planHash, phase } = await rig.started(rig.plan(name, { stages: [{ name: 'all', percent: 100 }], approval: {} }));
    expect(phase).toBe('awaiting-approval');
    const say = (hash: string) => cp.api('POST', `rollouts/${id}/commands`, { type: 'approve', planHash: hash });
    expect((await say(digestOfRelease(old))).body.detail).toMatch(/another plan/);
    expect((await say(planHash)).body.detail).toMatch(/admin made this plan/);
    expect((await cp.api('POST', `rollouts/${id}/commands`, { type: 'reject', planHash, comment: 'no' })).body).toMatchObject({
      phase: 'rejected',
      detail: 'rejected by admin: no',
    });
  });
});
