import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { TestControlPlane } from '../support/control-plane.js';
import { lookedAt } from '../support/looked-at.js';
import { digestOfRelease } from '../support/releases.js';
import { aRunningRig, newer, old, type RolloutRig } from '../support/rollout-rig.js';

let cp: TestControlPlane;
let rig: RolloutRig;
let its: Awaited<ReturnType<typeof lookedAt>>;

beforeAll(async () => {
  ({ cp, rig } = await aRunningRig());
  its = await lookedAt(cp, rig);
});
afterAll(() => cp?.stop());
afterEach(() => rig.clear());

const success = { committed: 0.75, deviceDeadline: 60 };

describe('a stage that is complete with errors', () => {
  it('Given half of it failed, When the last device has reported, Then all are taken back, those that committed too', async () => {
    const { devices, looks } = await its.aRollout(4, { success });
    await its.fail(devices.slice(0, 2));
    await its.commit(devices.slice(2));
    expect(await looks(1, 1)).toMatchObject({
      phase: 'rolling-back',
      detail: expect.stringContaining('2 of 4 devices of the stage failed on the release; 75 % must commit'),
    });
    expect(await its.onNewer(devices)).toEqual([]);
    await its.commit(devices);
    expect((await looks(2, 1)).phase).toBe('rolled-back');
  });

  it('Given failures exactly at the threshold, When everything else is well, Then it passes', async () => {
    const { devices, looks } = await its.aRollout(4, { success });
    await its.fail(devices.slice(0, 1));
    await its.commit(devices.slice(1));
    expect(await looks(1)).toMatchObject({ phase: 'completed', stages: [{ counts: { committed: 3, failedArtifact: 1 } }] });
  });

  it('Given one failure more than the threshold, When others are still open, Then nobody waits for them', async () => {
    const { devices, looks } = await its.aRollout(4, { success });
    await its.fail(devices.slice(0, 2));
    expect((await looks(1, 1)).phase).toBe('rolling-back');
    expect(await its.onNewer(devices)).toEqual([]);
  });
});

describe('a device that reports success and runs something else', () => {
  it('Given a commit of the old digest, When the stage is counted, Then it is no success, and in the end a silence', async () => {
    const { devices, look, looks } = await its.aRollout(3, { success });
    const [confused, ...rest] = devices;
    await its.reports(confused!, { state: 'committed', committed: digestOfRelease(old) });
    await its.commit(rest);
    expect((await looks(1)).stages[0]!.counts).toMatchObject({ committed: 2, open: 1 });
    await its.areOnline(devices);
    await look(61);
    const view = await looks(62);
    expect(view).toMatchObject({ phase: 'paused', reason: 'inconclusive', stages: [{ counts: { committed: 2, timedOut: 1 } }] });
  });
});

describe('a roll back of a roll back', () => {
  it('Given a rollout that brings the old release back, When it is taken back, Then devices are on the newer one again', async () => {
    const { name, devices, looks } = await its.aRollout(2);
    await its.commit(devices);
    expect((await looks(1)).phase).toBe('completed');
    const back = await rig.started(rig.plan(name, { name: `back-${name}`, release: 'product-classifier@1.0.0' }));
    const backs = its.told(back.id);
    const [first] = (await Promise.all(devices.map((device) => rig.assigned(device)))).filter(
      ({ digest }) => digest === digestOfRelease(old),
    );
    expect(first).toBeDefined();
    await backs.command({ type: 'roll-back' });
    expect(await its.onNewer(devices)).toEqual(devices);
    await its.commit(devices);
    expect((await backs.looks(1, 1)).phase).toBe('rolled-back');
    const views = await Promise.all(devices.map((device) => rig.show(device)));
    expect(views.map(({ slots }) => slots[0]!.reported!.committed)).toEqual(devices.map(() => digestOfRelease(newer)));
  });

  it('Given one that is on its way back, When somebody takes it back again, Then that is refused and changes nothing', async () => {
    const { devices, command } = await its.aRollout(2);
    await its.commit(devices);
    await command({ type: 'roll-back' });
    const before = await Promise.all(devices.map((device) => rig.show(device)));
    expect((await command({ type: 'roll-back' })).body).toMatchObject({
      code: 'ROLLOUT_REFUSED',
      detail: 'cannot roll-back a rollout that is rolling-back',
    });
    const after = await Promise.all(devices.map((device) => rig.show(device)));
    expect(after.map(({ epoch }) => epoch)).toEqual(before.map(({ epoch }) => epoch));
  });
});
