import { randomUUID } from 'node:crypto';
import { AssignmentsService } from '@flotilla/control-plane/fleet/assignments.service';
import { DeviceReports } from '@flotilla/control-plane/link/device-reports';
import { OutboxDispatcher } from '@flotilla/control-plane/link/outbox-dispatcher';
import { RolloutConductor } from '@flotilla/control-plane/rollouts/rollout-conductor';
import { RolloutMachine } from '@flotilla/control-plane/rollouts/rollout-machine';
import { TelemetryService } from '@flotilla/control-plane/telemetry/telemetry.service';
import {
  BootId,
  DeploymentId,
  type DeviceId,
  DeviceView,
  type Digest,
  type InferenceWindow,
  RolloutId,
  type RolloutPlanInput,
  RolloutView,
  sketchOf,
  SlotName,
  type UpdateEvent,
} from '@flotilla/protocol';
import { DataSource } from 'typeorm';
import { expect } from 'vitest';
import { aControlPlane, type TestControlPlane } from './control-plane.js';
import { aNewDevice, enrolled } from './fleet.js';
import { anUpdate, aWindow } from './records.js';
import { aRelease, digestOfRelease, pushed } from './releases.js';
import { until } from './until.js';

export const slot = SlotName.parse('inspection');
export const boot = BootId.parse(randomUUID());
export const old = aRelease('1.0.0');
export const newer = aRelease('1.1.0');

/** Rollouts over devices that a test speaks for: what they say is stored as ingest stores it. */
export async function aRolloutRig(cp: TestControlPlane) {
  const db = cp.app.get(DataSource);
  await cp.app.get(OutboxDispatcher).stop();
  await pushed(cp, old);
  await pushed(cp, newer);

  let fleets = 0;
  /** Devices of their own for each test, on the old release, with so many windows of it at 4 ms of compute and 5 ms of wall time. */
  async function aFleet(size: number, baselineWindows = 30): Promise<{ name: string; devices: DeviceId[] }> {
    const name = `f${++fleets}`;
    const devices = await enrolled(
      cp,
      ...Array.from({ length: size }, (_, i) => aNewDevice(`${name}-${i + 1}`, { labels: { fleet: name } })),
    );
    await db.transaction((tx) =>
      cp.app.get(AssignmentsService).assign(
        tx,
        devices.map((device) => ({ device, digest: digestOfRelease(old) })),
        { slot, owner: 'manual' },
      ),
    );
    for (const device of devices) await obey(device, baselineWindows, 4);
    return { name, devices };
  }
  const show = async (device: DeviceId) => DeviceView.parse((await cp.api('GET', `devices/${device}`)).body);
  const assigned = async (device: DeviceId) => (await show(device)).slots.find((s) => s.slot === slot)!.assignment!;

  /** The device commits what it was told to run, and infers with it. */
  async function obey(device: DeviceId, windows: number, ms: number, more: Partial<InferenceWindow> = {}): Promise<void> {
    const { deployment, digest } = await assigned(device);
    const update = { slot, deployment, digest: digest as Digest, committed: digest as Digest, state: 'committed' as const };
    await says(device, [anUpdate(boot, update)], inferences(deployment, digest as Digest, windows, ms, more));
  }
  const inferences = (deployment: string, digest: Digest, n: number, ms: number, more: Partial<InferenceWindow> = {}) =>
    Array.from({ length: n }, (_, i) =>
      aWindow(boot, {
        slot,
        digest,
        deployment: DeploymentId.parse(deployment),
        start: i,
        end: i + 1,
        ok: 20,
        computeCpuUs: 20 * ms * 1000,
        total: sketchOf(Array<number>(20).fill((ms + 1) * 1000)),
        ...more,
      }),
    );
  const says = (device: DeviceId, updates: UpdateEvent[], windows: InferenceWindow[]) =>
    db.transaction(async (tx) => {
      const at = { startedAt: new Date(), endedAt: new Date(), receivedAt: new Date(), uncertain: false };
      await cp.app.get(TelemetryService).store(
        tx,
        windows.map((window) => ({ device, window, at })),
        [],
      );
      await cp.app.get(DeviceReports).record(
        tx,
        updates.map((event, seq) => ({ device, seq, event })),
        windows.map((window) => ({ device, window })),
      );
    });

  const plan = (fleet: string, change: Partial<RolloutPlanInput> = {}): RolloutPlanInput => ({
    name: `to-${fleet}`,
    release: 'product-classifier@1.1.0',
    slot,
    target: `fleet=${fleet}`,
    stages: [
      { name: 'first', count: 1, soak: 0, deadline: 600 },
      { name: 'rest', percent: 100, soak: 0, deadline: 600 },
    ],
    gates: [
      { metric: 'compute.mean', ratioToIncumbent: 1.5, minInferences: 100, margin: 0.3 },
      { metric: 'errors', max: 0.01, minInferences: 100, margin: 0.3 },
    ],
    evidence: { pass: 0.2 },
    ...change,
  });
  const create = async (written: RolloutPlanInput): Promise<RolloutView> => {
    const { status, body } = await cp.api('POST', 'rollouts', written);
    expect(body).toMatchObject({ name: written.name });
    expect(status).toBe(201);
    return RolloutView.parse(body);
  };
  const view = async (id: string) => RolloutView.parse((await cp.api('GET', `rollouts/${id}`)).body);
  const inPhase = async (id: string, phase: RolloutView['phase']): Promise<RolloutView> => {
    await until(async () => (await view(id)).phase === phase, `the rollout is ${phase}`, 20_000);
    return view(id);
  };
  /** Devices that were offered the new release and have not answered yet. */
  const offered = async (devices: readonly DeviceId[]) => {
    const views = await Promise.all(devices.map(show));
    return views.flatMap((device) => {
      const { assignment, reported } = device.slots[0]!;
      return assignment!.digest === digestOfRelease(newer) && reported!.committed !== assignment!.digest
        ? [device.id as DeviceId]
        : [];
    });
  };
  const nextOffered = async (devices: readonly DeviceId[]): Promise<DeviceId[]> => {
    await until(async () => (await offered(devices)).length > 0, 'a device is offered the release', 20_000);
    return offered(devices);
  };
  /** As the leader looks, at a time that a test says; for rigs whose leader is still. */
  const look = (id: string, at: Date) => cp.app.get(RolloutMachine).tick(RolloutId.parse(id), async () => undefined, at);
  const made: string[] = [];
  const started = async (written: RolloutPlanInput) => {
    const rollout = await create(written);
    made.push(rollout.id);
    return rollout;
  };
  /** What a test left under way. */
  const clear = async () => {
    for (const id of made.splice(0)) await cp.api('POST', `rollouts/${id}/commands`, { type: 'cancel' });
  };
  return {
    db,
    made,
    aFleet,
    show,
    assigned,
    obey,
    inferences,
    says,
    plan,
    view,
    inPhase,
    offered,
    nextOffered,
    started,
    look,
    clear,
  };
}
export type RolloutRig = Awaited<ReturnType<typeof aRolloutRig>>;

/** The leader leaves rollouts alone: else nobody could say when it looks, and what time it is then. */
export const still = (cp: TestControlPlane): Promise<void> => cp.app.get(RolloutConductor).onApplicationShutdown();

/** With a control plane of its own. */
export async function aRunningRig() {
  const cp = await aControlPlane();
  return { cp, rig: await aRolloutRig(cp) };
}

/** The same, and its leader is still. */
export async function aStillRig() {
  const { cp, rig } = await aRunningRig();
  await still(cp);
  return { cp, rig };
}
