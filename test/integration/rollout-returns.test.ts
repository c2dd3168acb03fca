import { AssignmentsService } from '@flotilla/control-plane/fleet/assignments.service';
import type { DeviceId, Digest } from '@flotilla/protocol';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { TestControlPlane } from '../support/control-plane.js';
import { anUpdate } from '../support/records.js';
import { aRelease, digestOfRelease, pushed } from '../support/releases.js';
import { aRunningRig, boot, newer, old, slot, type RolloutRig } from '../support/rollout-rig.js';
import { until } from '../support/until.js';

const older = aRelease('0.9.0');
let cp: TestControlPlane;
let rig: RolloutRig;

beforeAll(async () => {
  ({ cp, rig } = await aRunningRig());
  await pushed(cp, older);
});
afterAll(() => cp?.stop());
afterEach(() => rig.clear());

const oneStage = { stages: [{ name: 'all', percent: 100, soak: 600, deadline: 600 }] };
const digestsOf = (devices: readonly DeviceId[]) =>
  Promise.all(devices.map(async (device) => (await rig.assigned(device)).digest));
const told = async (devices: readonly DeviceId[], to = old) =>
  (await digestsOf(devices)).filter((digest) => digest === digestOfRelease(to)).length;
const command = (id: string, body: object) => cp.api('POST', `rollouts/${id}/commands`, body);

/** All devices hold the release. */
async function aRolloutOf(size: number, rollBack: object) {
  const { name, devices } = await rig.aFleet(size);
  const { id } = await rig.started(rig.plan(name, { ...oneStage, rollBack }));
  for (const device of await rig.nextOffered(devices)) await rig.obey(device, 1, 4);
  return { id, devices };
}

describe('a roll back', () => {
  it('tells no more devices at a time than its budget, until all are back', async () => {
    const { id, devices } = await aRolloutOf(3, { maxInFlight: 1 });
    await command(id, { type: 'roll-back' });
    for (const back of [1, 2, 3]) {
      await until(async () => (await told(devices)) === back, `${back} devices are told to go back`, 20_000);
      expect((await rig.view(id)).phase).toBe('rolling-back');
      for (const device of devices)
        if ((await rig.assigned(device)).digest === digestOfRelease(old)) await rig.obey(device, 0, 4);
    }
    await rig.inPhase(id, 'rolled-back');
  });

  it('tells nobody else when a device fails on what it goes back to', async () => {
    const { id, devices } = await aRolloutOf(3, { maxInFlight: 1, maxFailures: 0 });
    await command(id, { type: 'roll-back' });
    await until(async () => (await told(devices)) === 1, 'a device is told to go back', 20_000);
    const [first] = (await Promise.all(devices.map(async (device) => ({ device, ...(await rig.assigned(device)) })))).filter(
      ({ digest }) => digest === digestOfRelease(old),
    );
    const failure = { deployment: first!.deployment, digest: first!.digest as Digest, state: 'failed', failure: 'load' } as const;
    await rig.says(first!.device, [anUpdate(boot, { slot, ...failure, committed: digestOfRelease(newer) })], []);
    const { detail } = await rig.inPhase(id, 'rollback-incomplete');
    expect(detail).toBe('asked for by admin; 1 devices failed on what they went back to, 0 may: 2 were not told');
    expect(await told(devices)).toBe(1);
  });

  it('leads to the release that the plan names, or whoever asks for it', async () => {
    const first = await aRolloutOf(2, { to: 'product-classifier@0.9.0' });
    await command(first.id, { type: 'roll-back' });
    expect(await told(first.devices, older)).toBe(2);
    const second = await aRolloutOf(2, {});
    await command(second.id, { type: 'roll-back', to: 'product-classifier@0.9.0' });
    expect(await told(second.devices, older)).toBe(2);
  });

  it('can not be planned to what the rollout brings, or to what is not there', async () => {
    const { name } = await rig.aFleet(1);
    const refusal = async (to: string) =>
      (await cp.api('POST', 'rollouts', rig.plan(name, { rollBack: { to } }))).body as { detail: string };
    expect((await refusal('product-classifier@1.1.0')).detail).toContain(
      'it could not be taken back to product-classifier@1.1.0',
    );
    expect((await refusal('product-classifier@7.0.0')).detail).toContain('product-classifier@7.0.0');
  });

  it('never leads to the release that is taken back, though a device still ran it on its way to another', async () => {
    const { name, devices } = await rig.aFleet(1);
    const [device] = devices;
    const assign = (digest: Digest) =>
      rig.db.transaction((tx) =>
        cp.app.get(AssignmentsService).assign(tx, [{ device: device!, digest }], { slot, owner: 'manual' }),
      );
    await assign(digestOfRelease(newer));
    await rig.obey(device!, 0, 4);
    // On its way back to the old one, the device is still on the newer one when a rollout of that begins.
    await assign(digestOfRelease(old));
    const { id } = await rig.started(rig.plan(name, oneStage));
    await until(async () => (await rig.assigned(device!)).digest === digestOfRelease(newer), 'the device is offered it', 20_000);
    await command(id, { type: 'roll-back' });
    expect(await digestsOf(devices)).toEqual([digestOfRelease(old)]);
  });
});
