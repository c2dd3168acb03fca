import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { flotilla } from '../support/command-line.js';
import type { TestControlPlane } from '../support/control-plane.js';
import { lookedAt, oneStage } from '../support/looked-at.js';
import { aRunningRig, type RolloutRig } from '../support/rollout-rig.js';

let cp: TestControlPlane;
let rig: RolloutRig;
let its: Awaited<ReturnType<typeof lookedAt>>;

beforeAll(async () => {
  ({ cp, rig } = await aRunningRig());
  its = await lookedAt(cp, rig);
});
afterAll(() => cp?.stop());
afterEach(() => rig.clear());

const success = { deviceDeadline: 60 };

describe('devices that are offline for ever', () => {
  it.each([
    ['more than may be: it waits for somebody', 0.1, { phase: 'paused', reason: 'inconclusive' }],
    ['as many as may be: it completes without them', 0.12, { phase: 'completed' }],
  ])('Given one of nine, When the stage ends and that is %s', async (_what, maxDeferred, end) => {
    const { devices, looks } = await its.aRollout(9, { success: { ...success, maxDeferred } });
    const [away, ...rest] = devices;
    await its.commit(rest);
    expect(await looks(300)).toMatchObject({ phase: 'running', stages: [{ counts: { committed: 8, open: 1 } }] });
    const view = await looks(601);
    expect(view).toMatchObject({ ...end, stages: [{ counts: { committed: 8, open: 0, deferred: 1, timedOut: 0 } }] });
    // The offer stands: it may come back any day.
    expect(await its.onNewer([away!])).toEqual([away]);
  });
});

describe('a device that is removed while its stage runs', () => {
  it('Given three, When one is removed, Then the stage is about the other two', async () => {
    const { devices, looks } = await its.aRollout(3);
    const [gone, ...rest] = devices;
    expect((await cp.api('DELETE', `devices/${gone}`)).status).toBe(204);
    await its.commit(rest);
    const view = await looks(1);
    const counts = { committed: 2, waiting: 0, open: 0, timedOut: 0, deferred: 0 };
    expect(view).toMatchObject({ phase: 'completed', stages: [{ counts }] });
  });

  it('Given one, When it is removed, Then an empty stage passes nothing', async () => {
    const { devices, looks } = await its.aRollout(1);
    await cp.api('DELETE', `devices/${devices[0]}`);
    expect(await looks(1)).toMatchObject({ phase: 'paused', reason: 'inconclusive', detail: 'no device is left in the stage' });
  });
});

describe('a stage without a device', () => {
  it('Given a selector that fits none, When the plan comes, Then it is refused', async () => {
    const { name } = await rig.aFleet(1);
    const nobody = { name: 'nobody', devices: 'site=nowhere', soak: 0, deadline: 60 };
    const written = rig.plan(name, { stages: [nobody, ...oneStage()] });
    const { status, body } = await cp.api('POST', 'rollouts', written);
    expect([status, body.code, body.detail]).toEqual([
      400,
      'INVALID_PLAN',
      expect.stringContaining('"nobody" would have no device'),
    ]);
  });
});

describe('a device that reports when it is timed out already', () => {
  it('Given silence past its deadline, When it says that it has committed, Then that counts', async () => {
    const { devices, look, looks } = await its.aRollout(4, { success });
    const [slow, ...rest] = devices;
    await its.commit(rest);
    await its.areOnline(devices);
    await look(61);
    expect((await looks(62)).stages[0]!.counts).toMatchObject({ committed: 3, timedOut: 1 });
    await its.commit([slow!]);
    expect((await looks(65)).stages[0]!.counts).toMatchObject({ committed: 4, timedOut: 0 });
  });
});

describe('an outage of a site in mid-stage', () => {
  it('Given half of the stage in it, When they fall silent, Then it pauses, takes nothing back, and goes on once they are offered it again', async () => {
    const { id, devices, look, looks, command } = await its.aRollout(4, { success });
    const dark = devices.slice(2);
    await its.commit(devices.slice(0, 2));
    await its.areOnline(devices);
    await look(61);
    expect(await looks(62)).toMatchObject({
      phase: 'paused',
      reason: 'breach',
      detail: expect.stringMatching(/^2 of 4 devices .* for reasons of the place.*2 timed out.*nothing is taken back$/),
    });
    expect(await its.onNewer(devices)).toEqual(devices);
    await command({ type: 'retry' });
    await command({ type: 'resume', accepting: 'the uplink of the site was down' });
    await look(63);
    await its.commit(dark);
    expect(await looks(64)).toMatchObject({
      phase: 'completed',
      stages: [{ counts: { committed: 4, timedOut: 0 } }],
      summary: {
        stages: [{ name: 'all', tookS: expect.any(Number) }],
        changed: [{ from: 'product-classifier@1.0.0', devices: 4 }],
        accepted: [{ by: 'admin', reason: 'the uplink of the site was down', instead: expect.stringMatching(/^2 of 4 devices/) }],
      },
    });
    const { stdout } = await flotilla(cp, 'rollouts', 'show', id);
    expect(stdout).toMatch(/^changed +4 devices from product-classifier@1\.0\.0$/m);
    expect(stdout).toMatch(/^accepted +"the uplink of the site was down" by admin, for: 2 of 4 devices/m);
  });
});
