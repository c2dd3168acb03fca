import { RolloutChecks } from '@flotilla/control-plane/rollouts/rollout-checks';
import type { DeviceId, Digest, RolloutPlanInput, UpdateEvent } from '@flotilla/protocol';
import type { TestControlPlane } from './control-plane.js';
import { anUpdate } from './records.js';
import { digestOfRelease } from './releases.js';
import { boot, newer, old, type RolloutRig, slot, still } from './rollout-rig.js';

export const oneStage = (deadline: number | string = 600): RolloutPlanInput['stages'] => [
  { name: 'all', percent: 100, soak: 0, deadline },
];

/** Rollouts whose leader looks when a test says so, at the time that it says. */
export async function lookedAt(cp: TestControlPlane, rig: RolloutRig) {
  await still(cp);

  async function aRollout(size: number, change: Partial<RolloutPlanInput> = {}) {
    const { name, devices } = await rig.aFleet(size);
    const { id } = await rig.started(rig.plan(name, { stages: oneStage(), ...change }));
    return { id, name, devices, ...told(id) };
  }
  function told(id: string) {
    const began = Date.now();
    const look = (second: number) => rig.look(id, new Date(began + second * 1000));
    /** Those outside who are due are asked, and have answered. */
    const ask = async (second: number) => {
      await cp.app.get(RolloutChecks).look(async () => undefined, new Date(began + second * 1000));
      await cp.app.get(RolloutChecks).settled();
    };
    /** As many looks as a stage needs that has everything: covered, soaked, passed. */
    const looks = async (from: number, n = 3) => {
      for (let i = 0; i < n; i++) await look(from + i);
      return rig.view(id);
    };
    const command = (body: object) => cp.api('POST', `rollouts/${id}/commands`, body);
    return { look, looks, ask, command };
  }
  const areOnline = (devices: readonly DeviceId[], online = true) =>
    rig.db.query(`UPDATE device SET online = $2 WHERE id = ANY($1)`, [devices, online]);
  const commit = async (devices: readonly DeviceId[]) => {
    for (const device of devices) await rig.obey(device, 12, 4);
  };
  /** The device says how it fared with what it was told to run. */
  const reports = async (device: DeviceId, event: Partial<UpdateEvent>) => {
    const { deployment, digest } = await rig.assigned(device);
    const what = { slot, deployment, digest: digest as Digest, committed: digestOfRelease(old) };
    await rig.says(device, [anUpdate(boot, { ...what, ...event })], []);
  };
  const fail = async (devices: readonly DeviceId[]) => {
    for (const device of devices) await reports(device, { state: 'failed', failure: 'load', reason: 'no such operator' });
  };
  /** Which of them are to run the new release. */
  const onNewer = async (devices: readonly DeviceId[]) => {
    const all = await Promise.all(devices.map(async (device) => ({ device, ...(await rig.assigned(device)) })));
    return all.filter(({ digest }) => digest === digestOfRelease(newer)).map(({ device }) => device);
  };
  return { aRollout, told, areOnline, commit, reports, fail, onNewer };
}
