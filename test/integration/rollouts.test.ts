import { randomUUID } from 'node:crypto';
import { AssignmentsService } from '@flotilla/control-plane/fleet/assignments.service';
import { DeviceReports } from '@flotilla/control-plane/link/device-reports';
import { OutboxDispatcher } from '@flotilla/control-plane/link/outbox-dispatcher';
import { EvidenceRepository } from '@flotilla/control-plane/rollouts/evidence.repository';
import { TelemetryService } from '@flotilla/control-plane/telemetry/telemetry.service';
import {
  BootId,
  DeploymentId,
  type DeviceId,
  DeviceView,
  type Digest,
  type InferenceWindow,
  type RolloutPlanInput,
  RolloutView,
  sketchOf,
  SlotName,
  type UpdateEvent,
} from '@flotilla/protocol';
import { DataSource } from 'typeorm';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { aControlPlane, type TestControlPlane } from '../support/control-plane.js';
import { aNewDevice, enrolled } from '../support/fleet.js';
import { anUpdate, aWindow } from '../support/records.js';
import { aRelease, digestOfRelease, pushed } from '../support/releases.js';
import { until } from '../support/until.js';

let cp: TestControlPlane;
let db: DataSource;
const slot = SlotName.parse('inspection');
const boot = BootId.parse(randomUUID());
const old = aRelease('1.0.0');
const newer = aRelease('1.1.0');

beforeAll(async () => {
  cp = await aControlPlane();
  db = cp.app.get(DataSource);
  // Nothing is connected here: what devices say is stored as ingest stores it.
  await cp.app.get(OutboxDispatcher).stop();
  await pushed(cp, old);
  await pushed(cp, newer);
});
afterAll(() => cp?.stop());

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

const made: string[] = [];
afterEach(async () => {
  for (const id of made.splice(0)) await cp.api('POST', `rollouts/${id}/commands`, { type: 'cancel' });
});
const started = async (written: RolloutPlanInput) => {
  const rollout = await create(written);
  made.push(rollout.id);
  return rollout;
};

describe('a rollout of a release that is as good', () => {
  it('goes stage by stage on evidence, and says what it rests on', async () => {
    const { name, devices } = await aFleet(3);
    const { id } = await started(plan(name));
    for (const device of await nextOffered(devices)) await obey(device, 12, 4);
    for (const device of await nextOffered(devices)) await obey(device, 12, 4);
    const { stages } = await inPhase(id, 'completed');
    expect(stages.map((stage) => stage.gates.map((gate) => gate.verdict))).toEqual([
      ['pass', 'pass'],
      ['pass', 'pass'],
    ]);
    expect(stages[1]!.gates[0]).toMatchObject({
      evidence: expect.stringMatching(
        /^mean compute 4.0 ms against 4.0 ms on the same 2 devices, ratio 1.00, limit 1.5 exceeded in 0 of 24 windows/,
      ),
      inferences: 480,
      strata: [{ windows: 24, pass: { needed: 5 }, breach: { needed: 600 } }],
    });
  });

  it('waits while windows are too few, however many inferences they hold', async () => {
    const { name, devices } = await aFleet(2);
    const { id } = await started(plan(name));
    const [first] = await nextOffered(devices);
    await obey(first!, 9, 4, { ok: 500, computeCpuUs: 2_000_000 });
    await until(async () => (await view(id)).stages[0]!.phase === 'analysing', 'it looks at the evidence', 20_000);
    expect((await view(id)).stages[0]!.gates[1]).toMatchObject({
      verdict: 'insufficient',
      inferences: 4500,
      evidence: expect.stringContaining('evidence 4.6 of 5 needed'),
    });
    const { deployment, digest } = await assigned(first!);
    await says(first!, [], inferences(deployment, digest as Digest, 1, 4));
    await until(async () => (await view(id)).stage === 1, 'the next stage is opened', 20_000);
  });
});

describe('a rollout of a release that is slower', () => {
  it('is taken back from its first stage by three windows', async () => {
    const { name, devices } = await aFleet(3);
    const { id } = await started(plan(name));
    for (const device of await nextOffered(devices)) await obey(device, 3, 40);
    const { stages, detail } = await inPhase(id, 'rolling-back');
    expect(detail).toMatch(
      /^mean compute 40 ms against 4.0 ms on the same device, ratio 10.00, limit 1.5 exceeded in 3 of 3 windows.*; evidence against it 1005 of 600 needed$/,
    );
    expect(stages.map((stage) => stage.phase)).toEqual(['failed', 'pending']);
    expect(await Promise.all(devices.map(async (device) => (await assigned(device)).digest))).toEqual(
      devices.map(() => digestOfRelease(old)),
    );
  });

  it('cannot be told where the incumbent has shown too little: only errors speak then', async () => {
    const { name, devices } = await aFleet(2, 19);
    const { id } = await started(plan(name));
    for (const device of await nextOffered(devices)) await obey(device, 12, 40);
    await until(async () => (await view(id)).stage === 1, 'the next stage is opened', 20_000);
    expect((await view(id)).stages[0]!.gates).toMatchObject([
      { verdict: 'not-applicable', evidence: expect.stringMatching(/^no baseline/) },
      { verdict: 'pass' },
    ]);
  });

  it('in wall time is told by what the device counts against limits of its own', async () => {
    const { name, devices } = await aFleet(2);
    const gates: RolloutPlanInput['gates'] = [
      { metric: 'wall.p95', ratioToIncumbent: 1.5, minInferences: 20, margin: 0.3 },
      { metric: 'errors', max: 0.01, minInferences: 20, margin: 0.3 },
    ];
    const { id } = await started(plan(name, { gates }));
    const [device] = await nextOffered(devices);
    const { state } = await db.transaction((tx) => cp.app.get(AssignmentsService).desiredFor(tx, device!));
    // The incumbent took 5 ms, in bins of 5 %.
    const { slow } = state.slots[0]!;
    expect(slow!['wall.p95#0']! / 7500).toBeCloseTo(1, 1);
    await obey(device!, 4, 4, { slow: { 'wall.p95#0': 20 } });
    expect((await inPhase(id, 'rolling-back')).detail).toMatch(
      /^80 of 80 inferences took longer than 1.5 times the incumbent's p95 \(100.00 %\); evidence against it/,
    );
  });
});

describe('evidence', () => {
  it('of small windows is put together, over transactions too', async () => {
    const { name, devices } = await aFleet(2);
    const { id } = await started(plan(name));
    const [device] = await nextOffered(devices);
    const small = { ok: 3, computeCpuUs: 12_000, total: sketchOf([5000, 5000, 5000]) };
    await obey(device!, 1, 4, small);
    expect((await view(id)).stages[0]!.gates[1]).toMatchObject({ inferences: 0 });
    await obey(device!, 2, 4, small);
    expect((await view(id)).stages[0]!.gates[1]).toMatchObject({ inferences: 6, strata: [{ windows: 1 }] });
  });

  it('is the same after its rows were put together', async () => {
    const { name, devices } = await aFleet(2);
    const { id } = await started(plan(name));
    await cp.api('POST', `rollouts/${id}/commands`, { type: 'pause' });
    const [device] = await nextOffered(devices);
    for (let i = 0; i < 70; i++) await obey(device!, 1, 4);
    const before = (await view(id)).stages[0]!.gates;
    await db.transaction((tx) => cp.app.get(EvidenceRepository).fold(tx, id));
    expect(await db.query(`SELECT count(*)::int n FROM rollout_evidence WHERE rollout = $1`, [id])).toEqual([{ n: 2 }]);
    const after = (await view(id)).stages[0]!.gates;
    expect(after.map((gate) => gate.evidence)).toEqual(before.map((gate) => gate.evidence));
    expect(after[0]!.strata[0]!.pass.capital).toBeCloseTo(before[0]!.strata[0]!.pass.capital, 6);
    expect(after[0]!.strata[0]!.windows).toBe(70);
  });
});

describe('commands', () => {
  it('retry offers it again to devices that failed for reasons of the place', async () => {
    const { name, devices } = await aFleet(1);
    const { id } = await started(plan(name, { stages: [{ name: 'all', percent: 100, soak: 0, deadline: 600 }] }));
    const [device] = await nextOffered(devices);
    const before = await assigned(device!);
    await says(
      device!,
      [
        anUpdate(boot, {
          slot,
          deployment: DeploymentId.parse(before.deployment),
          digest: digestOfRelease(newer),
          state: 'failed',
          committed: digestOfRelease(old),
          failure: 'space',
        }),
      ],
      [],
    );
    await inPhase(id, 'paused');
    expect((await cp.api('POST', `rollouts/${id}/commands`, { type: 'retry' })).status).toBe(201);
    await cp.api('POST', `rollouts/${id}/commands`, { type: 'resume', accepting: 'the disk was cleared' });
    await until(async () => (await assigned(device!)).deployment !== before.deployment, 'it is offered anew', 20_000);
    await obey(device!, 12, 4);
    await inPhase(id, 'completed');
  });

  it('of approval are taken for the plan as it is only, and not from its author', async () => {
    const { name } = await aFleet(1);
    const { id, planHash, phase } = await started(plan(name, { stages: [{ name: 'all', percent: 100 }], approval: {} }));
    expect(phase).toBe('awaiting-approval');
    const say = (hash: string) => cp.api('POST', `rollouts/${id}/commands`, { type: 'approve', planHash: hash });
    expect((await say(digestOfRelease(old))).body.detail).toMatch(/another plan/);
    expect((await say(planHash)).body.detail).toMatch(/admin made this plan/);
    expect((await cp.api('POST', `rollouts/${id}/commands`, { type: 'reject', planHash, comment: 'no' })).body).toMatchObject({
      phase: 'rejected',
      detail: 'rejected by admin: no',
    });
  });
});

describe('a plan', () => {
  it('with a pace never has more devices under way than it says', async () => {
    const { name, devices } = await aFleet(3);
    const one = plan(name, { stages: [{ name: 'all', percent: 100, soak: 0, deadline: 600 }], pace: { maxInFlight: 1 } });
    const { id } = await started(one);
    for (let i = 0; i < 3; i++) {
      const open = await nextOffered(devices);
      expect(open).toHaveLength(1);
      await obey(open[0]!, 12, 4);
    }
    await inPhase(id, 'completed');
  });

  it('for devices that another rollout still moves is refused, or takes over from it', async () => {
    const { name, devices } = await aFleet(2);
    const first = await started(plan(name));
    const second = plan(name, { name: `again-${name}` });
    expect((await cp.api('POST', 'rollouts', second)).body.detail).toMatch(
      /^rollout "to-f\d+" still moves .* or say supersede: true$/,
    );
    const next = await started({ ...second, supersede: true });
    expect(await view(first.id)).toMatchObject({ phase: 'superseded', detail: expect.stringContaining(`again-${name}`) });
    expect((await view(next.id)).stages[0]!.counts).toMatchObject({ open: 1 });
    expect((await offered(devices)).length).toBeGreaterThan(0);
  });

  it('with a preset need not say its stages and gates', async () => {
    const { name } = await aFleet(20, 0);
    const { stages: _, gates: __, evidence: ___, ...rest } = plan(name);
    const rollout = await started({ ...rest, preset: 'standard' } as RolloutPlanInput);
    expect(rollout.stages.map((stage) => stage.name)).toEqual(['canary', 'tenth', 'rest']);
  });

  it('with a time to start waits for it', async () => {
    const { name, devices } = await aFleet(1);
    const startAt = new Date(Date.now() + 3_600_000).toISOString();
    const { id, phase } = await started(plan(name, { stages: [{ name: 'all', percent: 100 }], startAt }));
    expect(phase).toBe('scheduled');
    expect(await offered(devices)).toEqual([]);
    expect((await cp.api('POST', `rollouts/${id}/commands`, { type: 'cancel' })).body.phase).toBe('cancelled');
  });
});

describe('a hardware class on which the release fails again and again', () => {
  it('is kept from it, and the others go on', async () => {
    const { name, devices } = await aFleet(4);
    const stages: RolloutPlanInput['stages'] = [
      { name: 'first', count: 2, soak: 0, deadline: 600 },
      { name: 'rest', percent: 100, soak: 0, deadline: 600 },
    ];
    const { id } = await started(plan(name, { stages, success: { committed: 0.1, coverage: 0.1 } }));
    for (const device of await nextOffered(devices)) {
      const { deployment, digest } = await assigned(device);
      const failed = {
        state: 'failed' as const,
        failure: 'load' as const,
        variant: 'int8.onnx',
        committed: digestOfRelease(old),
      };
      await says(
        device,
        [anUpdate(boot, { slot, deployment: DeploymentId.parse(deployment), digest: digest as Digest, ...failed })],
        [],
      );
    }
    const detail = 'all that were left are kept from it';
    await until(async () => (await view(id)).stages[1]!.counts.rejected === 2, detail, 20_000);
    const { items } = (await cp.api('GET', `events?rollout=${id}&kind=rollout-quarantined`)).body;
    expect(items).toMatchObject([
      { message: expect.stringMatching(/keeps 2 devices from it, quarantined: int8.onnx of .* failed on 2 of 2 devices/) },
    ]);
  });
});
