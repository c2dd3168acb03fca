import { RolloutConductor } from '@flotilla/control-plane/rollouts/rollout-conductor';
import { BlockView, KillView, type DeviceId, type RolloutPlanInput } from '@flotilla/protocol';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { aControlPlane, type TestControlPlane } from '../support/control-plane.js';
import { aKillRig } from '../support/kill-rig.js';
import { newer, old, slot } from '../support/rollout-rig.js';

let cp: TestControlPlane;
let rig: Awaited<ReturnType<typeof aKillRig>>;

beforeAll(async () => {
  cp = await aControlPlane();
  rig = await aKillRig(cp);
});
afterAll(() => cp?.stop());
afterEach(() => rig.clear());

const [v0, v1] = [old, newer].map(({ manifest }) => `product-classifier@${manifest.version}`) as [string, string];
const oneStage: Partial<RolloutPlanInput> = { stages: [{ name: 'all', percent: 100, soak: 0, deadline: 600 }] };

describe('a kill', () => {
  it('takes a release from the devices that have it, back to what each committed before, and counts by what they report', async () => {
    const { name, devices } = await rig.aFleet(3);
    await rig.rolledOut(name, devices, v1);
    const killed = await rig.kill('product-classifier@1.1.0');
    expect(killed.counts).toEqual({ affected: 3, confirmed: 0, pending: 0, unheard: 0, failed: 0, unreached: 3, stopped: 0 });
    expect(await rig.assignedNames(devices)).toEqual([v0, v0, v0]);
    await rig.obey(devices[0]!, 0, 4);
    expect((await rig.shown(killed.id)).counts).toMatchObject({ confirmed: 1, unreached: 2 });
    const { items } = (await cp.api('GET', `kills/${killed.id}/targets?state=unreached`)).body;
    expect(items).toMatchObject([1, 2].map((i) => ({ device: devices[i], slot, took: v1, good: v0, online: false })));
  });

  it('has not reached who has been silent for three heartbeats, though nobody has noticed yet', async () => {
    const { name, devices } = await rig.aFleet(1);
    await rig.rolledOut(name, devices, v1);
    const { id } = await rig.kill('product-classifier@1.1.0');
    const lastSeen = (ago: string) =>
      rig.db.query(`UPDATE device SET online = true, last_seen_at = now() - $2::interval WHERE id = $1`, [devices[0], ago]);
    const targetOf = async () => {
      const { items } = (await cp.api('GET', `kills/${id}/targets?limit=500`)).body;
      return items.find(({ device }: { device: string }) => device === devices[0]);
    };
    const unheard = async () => (await rig.shown(id)).counts.unheard;
    await lastSeen('0 s');
    expect([await targetOf(), await unheard()]).toMatchObject([{ state: 'pending', unheard: false }, 0]);
    // Before this control plane started: it may have gone away unnoticed.
    await lastSeen('3 minutes');
    expect([await targetOf(), await unheard()]).toMatchObject([{ state: 'pending', unheard: true }, 1]);
    await lastSeen('4 minutes');
    expect([await targetOf(), await unheard()]).toMatchObject([{ state: 'unreached', online: false, unheard: false }, 0]);
  });

  it('stops a slot that has nothing to go back to', async () => {
    const { devices } = await rig.aFleet(1);
    const killed = await rig.kill('product-classifier@1.0.0');
    expect(killed.counts.stopped).toBeGreaterThan(0);
    expect(await rig.assignedNames(devices)).toEqual([undefined]);
    await rig.stopped(devices[0]!, v0);
    const { items } = (await cp.api('GET', `kills/${killed.id}/targets?state=confirmed`)).body;
    expect(items).toEqual([{ device: devices[0], slot, state: 'confirmed', took: v0, online: false, unheard: false }]);
  });

  it('never leads to a release that was taken back from the device', async () => {
    const { name, devices } = await rig.aFleet(1);
    const { id } = await rig.started(rig.plan(name, oneStage));
    for (const device of await rig.nextOffered(devices)) await rig.obey(device, 3, 40);
    await rig.inPhase(id, 'rolling-back');
    await rig.obey(devices[0]!, 0, 4);
    const killed = await rig.kill('product-classifier@1.0.0');
    expect(await rig.assignedNames(devices)).toEqual([undefined]);
    expect(killed.counts.stopped).toBeGreaterThan(0);
  });

  it('of a whole model stops all, and keeps out versions that are still to come', async () => {
    const { devices } = await rig.aFleet(1);
    const killed = await rig.kill('product-classifier');
    expect(await rig.assignedNames(devices)).toEqual([undefined]);
    expect(killed).not.toHaveProperty('version');
    await rig.pushNext();
    const refused = await cp.api('POST', 'assignments', { release: 'product-classifier@2.0.0', slot, devices });
    expect(refused.body).toMatchObject({
      code: 'RELEASE_BLOCKED',
      detail: expect.stringContaining('the release was blocked: it bites'),
    });
  });

  it('on a group of devices that report something is refused: they would leave it', async () => {
    await cp.api('POST', 'groups', { name: 'on-the-new-one', selector: 'release=product-classifier@1.1.0' });
    await cp.api('POST', 'groups', { name: 'around-it', selector: 'group=on-the-new-one' });
    const body = { model: 'product-classifier', version: '1.1.0', group: 'around-it', reason: 'a test' };
    expect((await cp.api('POST', 'kills', body)).body).toMatchObject({
      code: 'INVALID_REQUEST',
      detail: expect.stringContaining('changes with what devices report (release)'),
    });
  });

  it('on a group leaves the other devices alone', async () => {
    const { name, devices } = await rig.aFleet(2);
    await rig.rolledOut(name, devices, v1);
    await cp.api('PUT', `devices/${devices[0]}/labels`, { labels: { fleet: name, bad: 'light' } });
    await cp.api('POST', 'groups', { name: `g-${name}`, selector: 'bad=light' });
    await rig.kill('product-classifier@1.1.0', { group: `g-${name}` });
    expect(await rig.assignedNames(devices)).toEqual([v0, v1]);
    expect((await cp.api('DELETE', `groups/g-${name}`)).body).toMatchObject({ code: 'GROUP_IN_USE' });
    expect((await cp.api('PATCH', `groups/g-${name}`, { selector: 'bad=none' })).body).toMatchObject({ code: 'GROUP_IN_USE' });
    // Who joins the group later is not offered it any more.
    await cp.api('PUT', `devices/${devices[1]}/labels`, { labels: { fleet: name, bad: 'light' } });
    const { body } = await cp.api('POST', 'assignments', { release: v1, slot, devices: [devices[1]] });
    expect(body).toMatchObject({ code: 'RELEASE_BLOCKED' });
  });

  it('of what nobody knows is refused, with what there is', async () => {
    const { status, body } = await cp.api('POST', 'kills', { model: 'product-clasifier', reason: 'it bites' });
    expect([status, body.code, body.detail]).toEqual([
      404,
      'MODEL_NOT_FOUND',
      expect.stringContaining('there are product-classifier'),
    ]);
    expect((await cp.api('POST', 'kills', { model: 'product-classifier', version: '9.9.9', reason: 'it bites' })).status).toBe(
      404,
    );
    expect((await cp.api('POST', 'kills', { model: 'product-classifier', reason: ' ' })).status).toBe(400);
    expect((await cp.api('GET', 'blocks')).body.items).toEqual([]);
  });

  it('again finds what has come meanwhile, under the block that is there', async () => {
    const first = await rig.kill('product-classifier@1.1.0');
    const again = await rig.kill('product-classifier@1.1.0', { reason: 'as I said' });
    expect([again.id, again.reason]).toEqual([first.id, 'it bites']);
  });
});

describe('a block', () => {
  it('holds until it is lifted with a reason, once', async () => {
    const { devices } = await rig.aFleet(1);
    const { id } = await rig.kill('product-classifier@1.1.0');
    const wanting = { release: v1, slot, devices };
    expect((await cp.api('POST', 'assignments', wanting)).status).toBe(409);
    expect((await cp.api('POST', `blocks/${id}/lift`, {})).status).toBe(400);
    const { body } = await cp.api('POST', `blocks/${id}/lift`, { reason: 'the light was bad' });
    expect(BlockView.parse(body).lifted).toMatchObject({ by: 'admin', reason: 'the light was bad' });
    expect((await cp.api('POST', `blocks/${id}/lift`, { reason: 'twice' })).body).toMatchObject({ code: 'BLOCK_LIFTED' });
    expect((await cp.api('POST', 'assignments', wanting)).status).toBe(200);
    expect((await cp.api('GET', 'blocks')).body.items).toEqual([]);
    expect((await cp.api('GET', 'blocks?all=true')).body.items.map((b: BlockView) => b.id)).toContain(id);
  });

  it('refuses a plan of the release, and a preview says so', async () => {
    const { name } = await rig.aFleet(1);
    await rig.kill('product-classifier@1.1.0');
    const words = 'product-classifier@1.1.0 cannot be offered: the release was blocked: it bites';
    expect((await cp.api('POST', 'rollouts', rig.plan(name, oneStage))).body).toMatchObject({
      code: 'INVALID_PLAN',
      detail: expect.stringContaining(words),
    });
    expect((await cp.api('POST', 'rollouts/preview', rig.plan(name, oneStage))).body.problems).toContain(words);
  });
});

describe('a kill meets rollouts', () => {
  it('that run: they are over, and their devices go back', async () => {
    const { name, devices } = await rig.aFleet(3);
    const { id } = await rig.started(rig.plan(name));
    const [first] = await rig.nextOffered(devices);
    await rig.obey(first!, 0, 4);
    await rig.kill('product-classifier@1.1.0');
    const rollout = await rig.view(id);
    expect([rollout.phase, rollout.detail]).toEqual(['killed', 'product-classifier@1.1.0 was killed: it bites']);
    expect(await rig.assignedNames(devices)).toEqual([v0, v0, v0]);
    await rig.obey(first!, 0, 4);
    expect((await rig.view(id)).stages[0]!.counts).toMatchObject({ rolledBack: 1, committed: 0 });
    const { items } = (await cp.api('GET', `events?rollout=${id}&kind=rollout-killed`)).body;
    expect(items).toMatchObject([{ actor: 'admin' }]);
    for (const type of ['resume', 'retry', 'roll-back', 'cancel'])
      expect((await cp.api('POST', `rollouts/${id}/commands`, { type })).body).toMatchObject({ code: 'ROLLOUT_REFUSED' });
  });

  it('that are being rolled back: their devices confirm by what the kill told them', async () => {
    const { name, devices } = await rig.aFleet(2);
    const { id } = await rig.started(rig.plan(name, oneStage));
    for (const device of await rig.nextOffered(devices)) await rig.obey(device, 0, 4);
    await cp.api('POST', `rollouts/${id}/commands`, { type: 'roll-back' });
    await rig.kill('product-classifier@1.1.0');
    for (const device of devices) await rig.obey(device, 0, 4);
    await rig.inPhase(id, 'rolled-back');
    expect(await rig.assignedNames(devices)).toEqual([v0, v0]);
  });

  it('whose roll back leads to what is killed: it leads to the release before that', async () => {
    const { name, devices } = await rig.aFleet(1);
    await rig.rolledOut(name, devices, v1);
    const third = await rig.pushNext();
    const { id } = await rig.started(rig.plan(name, { ...oneStage, name: `third-${name}`, release: third }));
    await rig.untilAssigned(devices, third);
    await rig.obey(devices[0]!, 0, 4);
    await rig.kill('product-classifier@1.1.0');
    await cp.api('POST', `rollouts/${id}/commands`, { type: 'roll-back' });
    expect(await rig.assignedNames(devices)).toEqual([v0]);
    await rig.obey(devices[0]!, 0, 4);
    await rig.inPhase(id, 'rolled-back');
  });

  it('whose roll back is on its way to what is killed: it is turned to the release before that', async () => {
    const { name, devices } = await rig.aFleet(1);
    await rig.rolledOut(name, devices, v1);
    const third = await rig.pushNext();
    const { id } = await rig.started(rig.plan(name, { ...oneStage, name: `fourth-${name}`, release: third }));
    await rig.untilAssigned(devices, third);
    await rig.obey(devices[0]!, 0, 4);
    await cp.api('POST', `rollouts/${id}/commands`, { type: 'roll-back' });
    expect(await rig.assignedNames(devices)).toEqual([v1]);
    await rig.kill('product-classifier@1.1.0');
    expect(await rig.assignedNames(devices)).toEqual([v0]);
    await rig.obey(devices[0]!, 0, 4);
    await rig.inPhase(id, 'rolled-back');
  });

  it('of a group: they pause, and leave its devices out when they go on', async () => {
    const { name, devices } = await rig.aFleet(2);
    await cp.api('PUT', `devices/${devices[1]}/labels`, { labels: { fleet: name, dark: 'yes' } });
    await cp.api('POST', 'groups', { name: `d-${name}`, selector: 'dark=yes' });
    const stages: RolloutPlanInput['stages'] = [
      { name: 'bright', devices: '!dark', soak: 0, deadline: 600 },
      { name: 'rest', percent: 100, soak: 0, deadline: 600 },
    ];
    const { id } = await rig.started(rig.plan(name, { stages }));
    await rig.obey((await rig.nextOffered(devices))[0]!, 0, 4);
    await rig.kill('product-classifier@1.1.0', { group: `d-${name}` });
    expect(await rig.view(id)).toMatchObject({ phase: 'paused', reason: 'killed' });
    await cp.api('POST', `rollouts/${id}/commands`, { type: 'resume' });
    await rig.obey(devices[0]!, 12, 4);
    await rig.targetIs(id, devices[1]!, 'left-out', 'the release was blocked: it bites');
    expect(await rig.assignedNames(devices)).toEqual([v1, v0]);
  });

  it('a roll back of a roll back ends with what was good', async () => {
    const { name, devices } = await rig.aFleet(1);
    const there = await rig.rolledOut(name, devices, v1);
    const back = await rig.rolledOut(name, devices, v0, `back-${name}`);
    await cp.api('POST', `rollouts/${back}/commands`, { type: 'roll-back' });
    expect(await rig.assignedNames(devices)).toEqual([v1]);
    await rig.obey(devices[0]!, 0, 4);
    await rig.inPhase(back, 'rolled-back');
    await rig.kill('product-classifier@1.1.0');
    // It had committed 1.0.0 before the rollout that was taken back: that still stands.
    expect(await rig.assignedNames(devices)).toEqual([v0]);
    expect((await rig.view(there)).phase).toBe('completed');
  });
});

describe('two at once', () => {
  it('rollouts on one device: the kill of one release leaves the other be', async () => {
    const { name, devices } = await rig.aFleet(1);
    const third = await rig.pushNext();
    await rig.started(rig.plan(name, oneStage));
    await rig.nextOffered(devices);
    const second = await rig.started(rig.plan(name, { ...oneStage, name: `second-${name}`, release: third, supersede: true }));
    await rig.untilAssigned(devices, third);
    await rig.kill('product-classifier@1.1.0');
    expect((await rig.view(second.id)).phase).toBe('running');
    expect(await rig.assignedNames(devices)).toEqual([third]);
  });

  it('slots on one device: each goes back to its own', async () => {
    const { devices } = await rig.aFleet(1);
    const [device] = devices as [DeviceId];
    await cp.api('POST', 'assignments', { release: v1, slot: 'packing', devices });
    await rig.commits(device, 'packing', v1);
    await rig.kill('product-classifier@1.1.0');
    const { slots } = await rig.show(device);
    expect(slots.map(({ slot: name, assignment }) => [name, assignment?.release])).toEqual([
      ['inspection', v0],
      ['packing', undefined],
    ]);
  });
});

describe('what is under way', () => {
  it('cannot bring the release back: neither a tick, nor a retry, nor a row of the outbox', async () => {
    const { name, devices } = await rig.aFleet(2);
    const { id } = await rig.started(rig.plan(name, oneStage));
    await rig.nextOffered(devices);
    await rig.kill('product-classifier@1.1.0');
    await cp.api('POST', `rollouts/${id}/commands`, { type: 'retry' });
    await cp.app.get(RolloutConductor).tick();
    for (const device of devices) {
      const { slots, config } = await rig.desired(device);
      expect(slots.map(({ release }) => release)).toEqual([v0]);
      expect(config.blocked ?? []).toEqual([{ slot, digest: expect.any(String), reason: 'the release was blocked: it bites' }]);
    }
  });
});

describe('a view of a kill', () => {
  it('is what its schema says', async () => {
    const { id } = await rig.kill('product-classifier@1.1.0');
    KillView.parse((await cp.api('GET', `kills/${id}`)).body);
    expect((await cp.api('GET', 'kills/00000000-0000-4000-8000-000000000000')).body).toMatchObject({ code: 'BLOCK_NOT_FOUND' });
  });
});
