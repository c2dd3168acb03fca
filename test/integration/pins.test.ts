import { PinView, SlotWhyView } from '@flotilla/protocol';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { aControlPlane, type TestControlPlane } from '../support/control-plane.js';
import { aKillRig, type KillRig } from '../support/kill-rig.js';
import { slot } from '../support/rollout-rig.js';

let cp: TestControlPlane;
let rig: KillRig;
const [v0, v1] = ['product-classifier@1.0.0', 'product-classifier@1.1.0'];
const all = [{ name: 'all', percent: 100, soak: 0, deadline: 600 }];

beforeAll(async () => {
  cp = await aControlPlane();
  rig = await aKillRig(cp);
});
afterAll(() => cp?.stop());
afterEach(() => rig.clear());

const pathOf = (device: string | undefined) => `devices/${device}/slots/${slot}/pin`;
const pin = (device: string | undefined, release = v0) => cp.api('PUT', pathOf(device), { release, reason: 'certified' });
const why = async (device: string | undefined) =>
  z.object({ items: z.array(SlotWhyView) }).parse((await cp.api('GET', `devices/${device}/why`)).body).items[0]!;

describe('a pinned slot', () => {
  it('is left out of a plan, which says so, and of its stages', async () => {
    const { name, devices } = await rig.aFleet(2);
    expect(PinView.parse((await pin(devices[0])).body)).toMatchObject({ release: v0, actor: 'admin' });
    const preview = (await cp.api('POST', 'rollouts/preview', rig.plan(name, { stages: all }))).body;
    expect(preview).toMatchObject({
      problems: [],
      rejected: [{ device: devices[0], reason: 'pinned: certified' }],
      leftOut: 0,
      stages: [{ devices: 1, first: [devices[1]] }],
    });
    await rig.rolledOut(name, [devices[1]!], v1);
    expect(await rig.assignedNames(devices)).toEqual([v0, v1]);
  });

  it('pinned while a rollout waits for it is left out when its turn comes', async () => {
    const { name, devices } = await rig.aFleet(2);
    const { id } = await rig.started(rig.plan(name));
    const [first] = await rig.nextOffered(devices);
    const second = devices.find((device) => device !== first)!;
    await pin(second);
    await rig.obey(first!, 12, 4);
    await rig.targetIs(id, second, 'left-out', 'pinned: certified');
    expect(await rig.assignedNames([second])).toEqual([v0]);
    expect((await rig.view(id)).stages[1]!.counts).toMatchObject({ rejected: 0, waiting: 0 });
  });

  it('is not taken back by the rollout that brought it what it is pinned to', async () => {
    const { name, devices } = await rig.aFleet(1);
    const id = await rig.rolledOut(name, devices, v1);
    await pin(devices[0], v1);
    await cp.api('POST', `rollouts/${id}/commands`, { type: 'roll-back' });
    expect(await rig.assignedNames(devices)).toEqual([v1]);
    await rig.inPhase(id, 'rolled-back');
  });

  it('refuses assignments by hand until it is unpinned', async () => {
    const { devices } = await rig.aFleet(1);
    await pin(devices[0]);
    const wanted = { release: v1, slot, devices };
    expect((await cp.api('POST', 'assignments', wanted)).body).toMatchObject({
      code: 'SLOT_PINNED',
      detail: expect.stringContaining('pinned: certified'),
    });
    expect((await cp.api('DELETE', pathOf(devices[0]))).status).toBe(204);
    expect((await cp.api('DELETE', pathOf(devices[0]))).body).toMatchObject({ code: 'PIN_NOT_FOUND' });
    expect((await why(devices[0])).assignment).toMatchObject({ owner: 'manual', by: 'admin' });
    expect((await cp.api('POST', 'assignments', wanted)).status).toBe(200);
  });

  it('gives way to a kill, and cannot be pinned to what is blocked', async () => {
    const { devices } = await rig.aFleet(1);
    await cp.api('POST', 'assignments', { release: v1, slot, devices });
    await rig.obey(devices[0]!, 0, 4);
    await pin(devices[0], v1);
    await rig.kill(v1);
    expect(await rig.assignedNames(devices)).toEqual([v0]);
    expect((await pin(devices[0], v1)).body).toMatchObject({ code: 'RELEASE_BLOCKED' });
    const { assignment, others, blocks } = await why(devices[0]);
    expect(assignment).toMatchObject({
      release: v0,
      owner: expect.stringMatching(/^kill /),
      priority: 400,
      by: 'admin',
      reason: 'it bites',
    });
    expect(others).toEqual([{ owner: 'pin', release: v1, why: 'the release was blocked: it bites; a kill overrules a pin' }]);
    expect(blocks).toMatchObject([{ model: 'product-classifier', version: '1.1.0', reason: 'it bites' }]);
  });
});

describe('why a slot runs what it runs', () => {
  it('names the rollout that won, the one that lost, and where a kill would lead', async () => {
    const { name, devices } = await rig.aFleet(1);
    await rig.started(rig.plan(name, { name: `lost-${name}`, stages: all }));
    await rig.nextOffered(devices);
    const third = await rig.pushNext();
    await rig.started(rig.plan(name, { name: `won-${name}`, release: third, stages: all, supersede: true }));
    await rig.untilAssigned(devices, third);
    const { assignment, others, history, running } = await why(devices[0]);
    expect(assignment).toMatchObject({ release: third, owner: `rollout won-${name}`, priority: 100, by: 'admin' });
    expect(others).toEqual([
      { owner: `rollout lost-${name}`, release: v1, why: 'the rollout is superseded, the device open in it' },
    ]);
    expect(running).toBe(v0);
    expect(history).toMatchObject([{ release: v0, blocked: false }]);
  });

  it('of a device that is not there is refused', async () => {
    expect((await cp.api('GET', 'devices/nobody/why')).body).toMatchObject({ code: 'DEVICE_NOT_FOUND' });
    expect((await pin('nobody')).body).toMatchObject({ code: 'DEVICE_NOT_FOUND' });
  });
});
