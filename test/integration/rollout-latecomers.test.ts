import { DataSource } from 'typeorm';
import type { DeviceId } from '@flotilla/protocol';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { TestControlPlane } from '../support/control-plane.js';
import { aRelease, digestOfRelease, pushed } from '../support/releases.js';
import { aRunningRig, newer, old, type RolloutRig } from '../support/rollout-rig.js';
import { until } from '../support/until.js';

let cp: TestControlPlane;
let rig: RolloutRig;

beforeAll(async () => void ({ cp, rig } = await aRunningRig()));
afterAll(() => cp?.stop());
afterEach(() => rig.clear());

const oneStage = { stages: [{ name: 'all', percent: 100, soak: 0, deadline: 600 }] };
const offered = (device: DeviceId, what: string) =>
  until(async () => (await rig.assigned(device)).digest === digestOfRelease(newer), what, 30_000);
/** A device of another fleet comes to this one. */
const moves = (device: DeviceId, fleet: string) => cp.api('PUT', `devices/${device}/labels`, { labels: { fleet } });

describe('a device that comes to the target late', () => {
  it('enters a rollout that runs by its last stage', async () => {
    const { name, devices } = await rig.aFleet(3);
    const [late] = (await rig.aFleet(1)).devices;
    const { id } = await rig.started(rig.plan(name));
    const first = await rig.nextOffered(devices);
    await moves(late!, name);
    await until(async () => (await rig.view(id)).stages[1]!.counts.waiting === 3, 'it waits in the last stage', 30_000);
    for (const device of first) await rig.obey(device, 12, 4);
    await offered(late!, 'the late device is offered the release');
    for (const device of [...devices, late!]) if (!first.includes(device)) await rig.obey(device, 12, 4);
    await rig.inPhase(id, 'completed');
    expect((await rig.view(id)).stages[1]!.counts.committed).toBe(3);
  });

  it('is offered the release of a continuous rollout that was complete, which then completes again', async () => {
    const { name, devices } = await rig.aFleet(2);
    const [late, other] = (await rig.aFleet(2)).devices;
    const { id } = await rig.started(rig.plan(name, { ...oneStage, continuous: true }));
    for (const device of await rig.nextOffered(devices)) await rig.obey(device, 12, 4);
    await rig.inPhase(id, 'completed');
    await moves(late!, name);
    await offered(late!, 'the late device is offered the release');
    expect((await rig.view(id)).phase).toBe('running');
    await rig.obey(late!, 12, 4);
    await rig.inPhase(id, 'completed');
    // One that comes when a newer rollout has the fleet is none of its business.
    const again = await rig.started(rig.plan(name, { ...oneStage, name: `newer-${name}`, release: 'product-classifier@1.0.0' }));
    await moves(other!, name);
    await until(async () => (await rig.view(again.id)).stages[0]!.counts.already >= 1, 'the newer rollout has it', 30_000);
    expect((await rig.view(id)).phase).toBe('completed');
    expect((await rig.assigned(other!)).digest).toBe(digestOfRelease(old));
  });

  it('that was offline when its stage ended goes through the gates all the same', async () => {
    const { name, devices } = await rig.aFleet(3);
    const [away] = devices;
    const success = { committed: 0.9, coverage: 0.6, maxDeferred: 0.5 };
    const stages = [{ name: 'all', percent: 100, soak: 0, deadline: 4 }] as const;
    const { id } = await rig.started(rig.plan(name, { stages: [...stages], success }));
    await cp.app.get(DataSource).query(`UPDATE device SET online = (id <> $1) WHERE id = ANY($2)`, [away, devices]);
    for (const device of await rig.nextOffered(devices)) if (device !== away) await rig.obey(device, 12, 4);
    await until(async () => (await rig.view(id)).stages[0]!.counts.deferred === 1, 'the absent device is left for later', 30_000);
    await rig.inPhase(id, 'completed');
    await rig.obey(away!, 3, 40);
    await until(async () => (await rig.view(id)).stages[0]!.counts.committed === 3, 'it has committed after all', 20_000);
  });
});

describe('a release that must be reached by another', () => {
  it('is not offered where the slot runs what is too old, and the plan says why', async () => {
    const step = aRelease('2.0.0', { requires: { from: '>=1.1.0' } });
    await pushed(cp, step);
    const { name, devices } = await rig.aFleet(2);
    const written = rig.plan(name, { ...oneStage, release: 'product-classifier@2.0.0' });
    const preview = (await cp.api('POST', 'rollouts/preview', written)).body as { rejected: object[] };
    expect(preview.rejected).toEqual(
      devices.toSorted().map((device) => ({
        device,
        reason:
          'it runs product-classifier@1.0.0, and product-classifier@2.0.0 is reached from >=1.1.0 only: roll one of these out first',
      })),
    );
  });
});
