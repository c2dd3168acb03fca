import type { DeviceId, RolloutPlanInput } from '@flotilla/protocol';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { TestControlPlane } from '../support/control-plane.js';
import { digestOfRelease } from '../support/releases.js';
import { aStillRig, newer, old, type RolloutRig } from '../support/rollout-rig.js';

let cp: TestControlPlane;
let rig: RolloutRig;

beforeAll(async () => void ({ cp, rig } = await aStillRig()));
afterAll(() => cp?.stop());
afterEach(() => rig.clear());

const all: RolloutPlanInput['stages'] = [{ name: 'all', percent: 100, soak: 0, deadline: '30d' }];
const began = Date.now();
const look = (id: string, minutes = 1) => rig.look(id, new Date(began + minutes * 60_000));
const label = (device: DeviceId, labels: Record<string, string>) => cp.api('PUT', `devices/${device}/labels`, { labels });

describe('a bound by site', () => {
  it('Given two sites, When a stage is offered, Then never more than one device of each is under way', async () => {
    const { name, devices } = await rig.aFleet(5);
    for (const [i, device] of devices.entries()) await label(device, { fleet: name, site: i < 3 ? 'lyon' : 'turin' });
    const { id } = await rig.started(rig.plan(name, { stages: all, pace: { maxUnavailable: { by: 'site', count: 1 } } }));
    const rounds: string[][] = [];
    for (let round = 0; round < 3; round++) {
      await look(id);
      await look(id);
      const open = await rig.offered(devices);
      rounds.push(open.map((device) => (devices.indexOf(device) < 3 ? 'lyon' : 'turin')));
      for (const device of open) await rig.obey(device, 12, 4);
    }
    expect(rounds).toEqual([['lyon', 'turin'], ['lyon', 'turin'], ['lyon']]);
    for (let i = 0; i < 3; i++) await look(id);
    expect((await rig.view(id)).phase).toBe('completed');
  });
});

describe('a budget of bytes', () => {
  it('Given room for two devices an hour, When an hour is over, Then two more are offered it', async () => {
    const { name, devices } = await rig.aFleet(5);
    const preview = await cp.api('POST', 'rollouts/preview', rig.plan(name, { stages: all }));
    const bytes = preview.body.mostBytes / 5;
    const { id } = await rig.started(rig.plan(name, { stages: all, pace: { bandwidth: { bytes: bytes * 2.5, per: '1h' } } }));
    const offered = async (minutes: number) => {
      await look(id, minutes);
      return (await rig.offered(devices)).length;
    };
    expect([await offered(0), await offered(30), await offered(59), await offered(61), await offered(122)]).toEqual([
      2, 2, 2, 4, 5,
    ]);
  });

  it('Given less than one device downloads, When the plan is made, Then it is refused', async () => {
    const { name } = await rig.aFleet(1);
    const plan = rig.plan(name, { stages: all, pace: { bandwidth: { bytes: 10, per: '1h' } } });
    expect((await cp.api('POST', 'rollouts', plan)).body.detail).toMatch(/could offer 0 of its 1 devices within its deadline/);
  });
});

describe('two rollouts on one device', () => {
  const low = (name: string) => rig.plan(name, { name: `low-${name}`, stages: all, pace: { maxInFlight: 1 }, priority: 1 });
  const high = (name: string) =>
    rig.plan(name, { name: `high-${name}`, release: 'product-classifier@1.0.0', stages: all, priority: 2 });

  it('Given one of higher priority, When it offers, Then it has the device, and the other sees that it is superseded', async () => {
    const { name, devices } = await rig.aFleet(2);
    const first = await rig.started(low(name));
    await look(first.id);
    const [taken] = await rig.offered(devices);
    const second = await rig.started(high(name));
    await look(second.id);
    expect((await rig.assigned(taken!)).digest).toBe(digestOfRelease(old));
    expect((await rig.view(first.id)).stages[0]!.counts).toMatchObject({ superseded: 2, open: 0, waiting: 0 });
    const [row] = await rig.db.query<{ reason: string }[]>(`SELECT reason FROM rollout_target WHERE rollout = $1 LIMIT 1`, [
      first.id,
    ]);
    expect(row!.reason).toBe(`rollout "high-${name}" of higher priority took it`);
    await look(first.id);
    expect((await rig.assigned(taken!)).digest).toBe(digestOfRelease(old));
  });

  it('Given one of higher priority that has it, When one of lower priority comes, Then it does not get it', async () => {
    const { name, devices } = await rig.aFleet(1);
    const newest = { ...high(name), release: 'product-classifier@1.1.0' };
    const first = await rig.started(newest);
    await look(first.id);
    expect(await rig.offered(devices)).toEqual(devices);
    const second = await rig.started({ ...low(name), release: 'product-classifier@1.0.0' });
    for (let i = 0; i < 2; i++) await look(second.id);
    expect((await rig.assigned(devices[0]!)).digest).toBe(digestOfRelease(newer));
    expect((await rig.view(second.id)).stages[0]!.counts).toMatchObject({ superseded: 1 });
    expect((await rig.view(second.id)).detail).toMatch(/no device is left/);
  });

  it('Given two of the same priority, When the second is made, Then it is refused', async () => {
    const { name } = await rig.aFleet(1);
    await rig.started(low(name));
    expect((await cp.api('POST', 'rollouts', { ...high(name), priority: 1 })).body.detail).toMatch(
      /give one of them another priority/,
    );
  });
});

describe('a rollout after another', () => {
  it('Given it waits, When the other is complete, Then it begins', async () => {
    const { name, devices } = await rig.aFleet(1);
    const first = await rig.started(rig.plan(name, { name: `first-${name}`, stages: all }));
    const other = await rig.aFleet(1);
    const second = await rig.started(rig.plan(other.name, { name: `second-${name}`, stages: all, after: [`first-${name}`] }));
    await look(second.id);
    expect(await rig.view(second.id)).toMatchObject({
      phase: 'scheduled',
      detail: `waits for rollout "first-${name}", which is running`,
    });
    for (const device of devices) await rig.obey(device, 12, 4);
    for (let i = 0; i < 4; i++) await look(first.id);
    expect((await rig.view(first.id)).phase).toBe('completed');
    await look(second.id);
    expect((await rig.view(second.id)).phase).toBe('running');
  });

  it('Given one that is not there, or waits for it, When it is made, Then it is refused', async () => {
    const { name } = await rig.aFleet(1);
    const of = (its: string, after: string[]) => rig.plan(name, { name: its, stages: all, after, priority: made++ });
    let made = 0;
    expect((await cp.api('POST', 'rollouts', of('x', ['nobody']))).body.detail).toMatch(
      /after a rollout "nobody", which is not there/,
    );
    expect((await cp.api('POST', 'rollouts', of('x', ['x']))).body.detail).toMatch(/wait for itself/);
    await rig.started(rig.plan(name, { name: `a-${name}`, stages: all, priority: 10 }));
    await rig.started(of(`b-${name}`, [`a-${name}`]));
    expect((await cp.api('POST', 'rollouts', of(`a-${name}`, [`b-${name}`]))).body.detail).toMatch(
      /what it comes after waits for/,
    );
  });
});

describe('a roll back of many without a pace', () => {
  it('Given more than go at once, When it is asked for, Then the next look tells the others', async () => {
    const { name, devices } = await rig.aFleet(1);
    const { id } = await rig.started(rig.plan(name, { stages: all }));
    await look(id);
    await rig.obey(devices[0]!, 12, 4);
    // As many more as one transaction takes, which hold the release by it.
    const more = `SELECT '${name}-more-' || lpad(n::text, 4, '0') device, gen_random_uuid() deployment FROM generate_series(1, 1000) n`;
    await rig.db.query(`CREATE TABLE more AS ${more}`);
    await rig.db.query(
      `INSERT INTO device (id, tenant, status, profile, hardware_class, labels, notes, key_thumbprint, certificate_serial, certificate_expires_at, enrolled_at)
       SELECT m.device, tenant, status, profile, hardware_class, '{}', notes, m.device, m.device, certificate_expires_at, enrolled_at
       FROM more m, device d WHERE d.id = $1`,
      [devices[0]],
    );
    await rig.db.query(
      `INSERT INTO assignment (device, slot, deployment, digest, owner, priority, probation, assigned_at)
       SELECT m.device, slot, m.deployment, digest, owner, priority, probation, assigned_at FROM more m, assignment a WHERE a.device = $1`,
      [devices[0]],
    );
    await rig.db.query(
      `INSERT INTO rollout_target (rollout, device, stage, state, deployment, hardware_class, previous_digest)
       SELECT rollout, m.device, stage, 'committed', m.deployment, hardware_class, previous_digest FROM more m, rollout_target t
       WHERE t.device = $1 AND t.rollout = $2`,
      [devices[0], id],
    );
    const told = async () => {
      const [row] = await rig.db.query<[{ n: number }]>(
        `SELECT count(*)::int n FROM rollout_target WHERE rollout = $1 AND state = 'rolling-back'`,
        [id],
      );
      return row.n;
    };
    await cp.api('POST', `rollouts/${id}/commands`, { type: 'roll-back' });
    expect(await told()).toBe(1000);
    await look(id);
    expect(await told()).toBe(1001);
    await rig.db.query(`DROP TABLE more`);
  });
});
