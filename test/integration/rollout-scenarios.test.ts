import { AssignmentsService } from '@flotilla/control-plane/fleet/assignments.service';
import type { RolloutPlanInput } from '@flotilla/protocol';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { TestControlPlane } from '../support/control-plane.js';
import { digestOfRelease } from '../support/releases.js';
import { aStillRig, old, slot, type RolloutRig } from '../support/rollout-rig.js';

let cp: TestControlPlane;
let rig: RolloutRig;

beforeAll(async () => void ({ cp, rig } = await aStillRig()));
afterAll(() => cp?.stop());
afterEach(() => rig.clear());

const all: RolloutPlanInput['stages'] = [{ name: 'all', percent: 100, soak: 0, deadline: '30d' }];
const look = (id: string, when: Date) => rig.look(id, when);
const as = async (token: string, path: string, body: unknown) => {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const response = await fetch(`${cp.url}/api/v1/${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
  return (await response.json()) as Record<string, unknown>;
};
const operator = async (name: string): Promise<string> =>
  (await cp.api('POST', 'operators', { name, role: 'operator' })).body.token;

describe('approval', () => {
  it('Given one of two, When it is withdrawn and the other comes, Then the rollout still waits; and once it runs, none can be withdrawn', async () => {
    const { name, devices } = await rig.aFleet(1);
    const [ann, bob, eve] = [await operator('ann'), await operator('bob'), await operator('eve')];
    const made = await as(ann, 'rollouts', rig.plan(name, { stages: all, approval: { count: 2 } }));
    const { id, planHash } = made as { id: string; planHash: string };
    rig.made.push(id);
    const say = (token: string, type: string) => as(token, `rollouts/${id}/commands`, { type, planHash });
    expect(await say(bob, 'approve')).toMatchObject({ detail: '1 of 2 approvals before it starts' });
    expect(await say(bob, 'withdraw-approval')).toMatchObject({ detail: '0 of 2 approvals before it starts' });
    expect(await say(eve, 'approve')).toMatchObject({ phase: 'awaiting-approval', detail: '1 of 2 approvals before it starts' });
    await look(id, new Date());
    expect(await rig.offered(devices)).toEqual([]);
    expect(await say(bob, 'approve')).toMatchObject({ phase: 'running' });
    expect(await say(bob, 'withdraw-approval')).toMatchObject({ code: 'ROLLOUT_REFUSED' });
  });
});

describe('a plan that is edited while it runs', () => {
  it('Given a rollout, When an edited plan of its name comes, Then it is another rollout: refused, or asked about anew', async () => {
    const { name } = await rig.aFleet(1);
    const ann = await operator('ann-2');
    const plan = rig.plan(name, { stages: all, approval: { count: 1 } });
    const first = (await as(ann, 'rollouts', plan)) as { id: string; planHash: string };
    rig.made.push(first.id);
    await cp.api('POST', `rollouts/${first.id}/commands`, { type: 'approve', planHash: first.planHash });
    const edited = { ...plan, pace: { perMinute: 100 } };
    expect(await as(ann, 'rollouts', edited)).toMatchObject({
      code: 'INVALID_PLAN',
      detail: expect.stringContaining('still moves'),
    });
    expect((await rig.view(first.id)).planHash).toBe(first.planHash);
    const second = (await as(ann, 'rollouts', { ...edited, supersede: true })) as { id: string; planHash: string; phase: string };
    rig.made.push(second.id);
    expect(second.phase).toBe('awaiting-approval');
    // Yes to the plan before is no yes to this one.
    const stale = await cp.api('POST', `rollouts/${second.id}/commands`, { type: 'approve', planHash: first.planHash });
    expect(stale.body).toMatchObject({ code: 'ROLLOUT_REFUSED', detail: expect.stringContaining('another plan') });
  });
});

describe('the change to summer time and back', () => {
  it.each([
    ['forwards, where 02:30 is not', '2037-03-28T12:00:00Z', '2037-03-29T01:00:00.000Z'],
    ['back, where 02:30 comes twice', '2037-10-24T12:00:00Z', '2037-10-25T00:30:00.000Z'],
  ])('Given a window at 02:30, When clocks go %s, Then devices may begin in it once', async (_way, noon, opens) => {
    const { name, devices } = await rig.aFleet(1);
    const activate = { cron: '30 2 * * *', duration: '1h', zone: 'Europe/Paris' };
    const plan = rig.plan(name, { stages: all, startAt: noon, windows: { activate }, inFlight: 'hold' });
    const { id } = await rig.started(plan);
    const next = async (when: number) => {
      await look(id, new Date(when));
      const { state } = await rig.db.transaction((tx) => cp.app.get(AssignmentsService).desiredFor(tx, devices[0]!));
      return state.slots.find((its) => its.slot === slot)!.activate;
    };
    const [from, hour] = [Date.parse(opens), 3_600_000];
    await look(id, new Date(noon));
    expect(await next(Date.parse(noon) + 1000)).toEqual({ after: from, before: from + hour });
    expect(await next(from + hour / 2)).toEqual({ after: from, before: from + hour });
    // The next one is tomorrow's, at 02:30 by the clock that holds then.
    const tomorrow = _way.startsWith('forwards') ? from + 23.5 * hour : from + 25 * hour;
    expect(await next(from + hour)).toEqual({ after: tomorrow, before: tomorrow + hour });
  });
});

describe('a roll back', () => {
  it('Given a closed window, When the release is taken back, Then devices return at once', async () => {
    const { name, devices } = await rig.aFleet(1);
    const { id } = await rig.started(rig.plan(name, { stages: all }));
    await cp.api('POST', 'groups', { name, devices });
    const inAMonth = new Date(Date.now() + 30 * 86_400_000).toISOString().slice(0, 10);
    await cp.api('PUT', `groups/${name}/calendar`, { blackouts: [{ from: '2026-01-01', to: inAMonth }] });
    await cp.api('POST', `rollouts/${id}/commands`, { type: 'roll-back' });
    expect((await rig.assigned(devices[0]!)).digest).toBe(digestOfRelease(old));
    const { state } = await rig.db.transaction((tx) => cp.app.get(AssignmentsService).desiredFor(tx, devices[0]!));
    expect(state.slots[0]).not.toHaveProperty('activate');
  });
});

describe('a stage of thousands', () => {
  it('Given 2,100 devices, When it opens, Then a thousand are offered it at a look, and the next look has more to do until all are', async () => {
    const { name } = await rig.aFleet(1);
    await rig.db.query(
      `INSERT INTO device SELECT (jsonb_populate_record(d, jsonb_build_object('id', d.id || '-' || n, 'certificate_serial', d.certificate_serial || n))).*
       FROM device d, generate_series(1, 2099) n WHERE d.labels ->> 'fleet' = $1`,
      [name],
    );
    const { id } = await rig.started(rig.plan(name, { stages: all }));
    const counts = async () => (await rig.view(id)).stages[0]!.counts;
    expect(await counts()).toMatchObject({ open: 1000, waiting: 1100 });
    expect(await look(id, new Date())).toBe(true);
    expect(await look(id, new Date())).toBe(false);
    expect(await counts()).toMatchObject({ open: 2100, waiting: 0 });
  });
});
