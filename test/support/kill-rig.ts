import { AssignmentsService } from '@flotilla/control-plane/fleet/assignments.service';
import { DeploymentId, type DesiredState, type DeviceId, KillView, SlotName } from '@flotilla/protocol';
import { expect } from 'vitest';
import type { TestControlPlane } from './control-plane.js';
import { anUpdate } from './records.js';
import { aRelease, digestOfRelease, pushed, type TestRelease } from './releases.js';
import { aRolloutRig, boot, newer, old, slot } from './rollout-rig.js';
import { until } from './until.js';

/** A rollout rig with a kill switch. What a test has killed is lifted when it is cleared. */
export async function aKillRig(cp: TestControlPlane) {
  const rig = await aRolloutRig(cp);
  const releases = new Map<string, TestRelease>([old, newer].map((release) => [nameOf(release), release]));
  const digestOf = (name: string) => digestOfRelease(releases.get(name)!);

  const kill = async (
    aim: string,
    { group, reason = 'it bites' }: { group?: string; reason?: string } = {},
  ): Promise<KillView> => {
    const [model, version] = aim.split('@');
    const { status, body } = await cp.api('POST', 'kills', {
      model,
      ...(version && { version }),
      ...(group && { group }),
      reason,
    });
    expect([status, body]).toEqual([201, expect.anything()]);
    return KillView.parse(body);
  };
  const shown = async (id: string) => KillView.parse((await cp.api('GET', `kills/${id}`)).body);
  const assignedNames = async (devices: readonly DeviceId[], of: string = slot) => {
    const views = await Promise.all(devices.map(rig.show));
    return views.map(({ slots }) => slots.find((s) => s.slot === of)?.assignment?.release);
  };
  const untilAssigned = (devices: readonly DeviceId[], name: string) =>
    until(async () => (await assignedNames(devices)).every((its) => its === name), `all are told to run ${name}`);

  /** By a rollout of one stage that every device obeys at once. */
  const rolledOut = async (fleet: string, devices: readonly DeviceId[], release: string, name = `${release}-${fleet}`) => {
    const stages = [{ name: 'all', percent: 100, soak: 0, deadline: 600 }];
    const { id } = await rig.started(rig.plan(fleet, { name, release, stages }));
    await untilAssigned(devices, release);
    for (const device of devices) await rig.obey(device, 12, 4);
    await rig.inPhase(id, 'completed');
    return id;
  };
  const commits = async (device: DeviceId, name: string, release: string) => {
    const { slots } = await rig.show(device);
    const deployment = DeploymentId.parse(slots.find((s) => s.slot === name)!.assignment!.deployment);
    const digest = digestOf(release);
    await rig.says(
      device,
      [anUpdate(boot, { slot: SlotName.parse(name), deployment, digest, committed: digest, state: 'committed' })],
      [],
    );
  };
  /** The device says that the slot serves nothing any more. */
  const stopped = (device: DeviceId, release: string) => {
    const deployment = DeploymentId.parse('00000000-0000-4000-8000-000000000001');
    return rig.says(
      device,
      [anUpdate(boot, { slot, deployment, digest: digestOf(release), state: 'idle', committed: undefined })],
      [],
    );
  };
  let next = 2;
  const pushNext = async (): Promise<string> => {
    const release = await pushed(cp, aRelease(`${next++}.0.0`));
    releases.set(nameOf(release), release);
    return nameOf(release);
  };
  const desired = async (device: DeviceId): Promise<DesiredState> =>
    (await rig.db.transaction((tx) => cp.app.get(AssignmentsService).desiredFor(tx, device))).state;
  const targetIs = (rollout: string, device: DeviceId, state: string, reason: string) =>
    until(async () => {
      const rows = await rig.db.query<object[]>(`SELECT state, reason FROM rollout_target WHERE rollout = $1 AND device = $2`, [
        rollout,
        device,
      ]);
      return JSON.stringify(rows) === JSON.stringify([{ state, reason }]);
    }, `${device} is ${state} in it (${reason})`);
  const clear = async () => {
    await rig.clear();
    for (const { id } of (await cp.api('GET', 'blocks')).body.items)
      await cp.api('POST', `blocks/${id}/lift`, { reason: 'over' });
  };
  return {
    ...rig,
    kill,
    shown,
    assignedNames,
    untilAssigned,
    rolledOut,
    commits,
    stopped,
    pushNext,
    desired,
    targetIs,
    clear,
    digestOf,
  };
}

const nameOf = ({ manifest }: TestRelease) => `${manifest.model}@${manifest.version}`;
export type KillRig = Awaited<ReturnType<typeof aKillRig>>;
