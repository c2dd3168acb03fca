import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import type { TestControlPlane } from '../support/control-plane.js';
import { aRunningRig, type RolloutRig } from '../support/rollout-rig.js';
import { until } from '../support/until.js';

let cp: TestControlPlane;
let rig: RolloutRig;

beforeAll(async () => {
  ({ cp, rig } = await aRunningRig());
  await until(async () => (await cp.api('GET', 'status')).body.leader, 'it leads');
});
afterAll(() => cp?.stop());
afterEach(() => rig.clear());

const inOneStage = { stages: [{ name: 'all', percent: 100, soak: 0, deadline: 600 }] };
const counts = async (id: string) => (await rig.view(id)).stages[0]!.counts;

it('a device that is removed in mid-stage is waited for no more', async () => {
  // Given a stage with three devices under way
  const { name, devices } = await rig.aFleet(3);
  const { id } = await rig.started(rig.plan(name, inOneStage));
  await until(async () => (await rig.offered(devices)).length === 3, 'all are offered the release', 20_000);
  // When one is removed, and the others do well
  expect((await cp.api('DELETE', `devices/${devices[0]}`)).status).toBe(204);
  for (const device of devices.slice(1)) await rig.obey(device, 30, 4);
  // Then the rollout is complete without it
  await rig.inPhase(id, 'completed');
  expect(await counts(id)).toMatchObject({ committed: 2, open: 0, timedOut: 0, deferred: 0 });
});

it('a device in maintenance is passed by, and the log says so', async () => {
  // Given a device that somebody is at
  const { name, devices } = await rig.aFleet(3);
  await cp.api('PUT', `devices/${devices[1]}/maintenance`, { reason: 'new lamp' });
  // When the others get a release
  const { id } = await rig.started(rig.plan(name, inOneStage));
  await until(async () => (await rig.offered(devices)).length === 2, 'two are offered the release', 20_000);
  expect(await rig.offered(devices)).not.toContain(devices[1]);
  for (const device of [devices[0]!, devices[2]!]) await rig.obey(device, 30, 4);
  // Then it is complete, and the device runs what it ran
  await rig.inPhase(id, 'completed');
  expect(await counts(id)).toMatchObject({ committed: 2, waiting: 0, deferred: 0 });
  const { items } = (await cp.api('GET', `events?rollout=${id}&kind=rollout-passed-by`)).body;
  expect(items.map((event: { message: string }) => event.message)).toEqual([
    `rollout to-${name} passes by ${devices[1]}: in maintenance`,
  ]);
});

it('a device that goes into maintenance under way is not timed out for its silence', async () => {
  // Given a stage whose devices have five seconds to answer
  const { name, devices } = await rig.aFleet(2);
  const { id } = await rig.started(rig.plan(name, { ...inOneStage, success: { deviceDeadline: 5 } }));
  await until(async () => (await rig.offered(devices)).length === 2, 'both are offered the release', 20_000);
  await rig.db.query(`UPDATE device SET online = true WHERE id = ANY($1)`, [devices]);
  // When somebody is at one, and neither answers
  await cp.api('PUT', `devices/${devices[0]}/maintenance`, { reason: 'new lamp' });
  await until(async () => (await counts(id)).timedOut === 1, 'the other is timed out', 30_000);
  // Then the one in maintenance still has time
  expect(await counts(id)).toMatchObject({ open: 1, timedOut: 1 });
});
