import { AssignmentsService } from '@flotilla/control-plane/fleet/assignments.service';
import { EvidenceRepository } from '@flotilla/control-plane/rollouts/evidence.repository';
import { DeploymentId, sketchOf, type Digest, type RolloutPlanInput } from '@flotilla/protocol';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Browser } from '../support/browser.js';
import type { TestControlPlane } from '../support/control-plane.js';
import { anUpdate } from '../support/records.js';
import { digestOfRelease } from '../support/releases.js';
import { describeWith } from '../support/required.js';
import { aRunningRig, boot, old, slot, type RolloutRig } from '../support/rollout-rig.js';
import { until } from '../support/until.js';

let cp: TestControlPlane;
let rig: RolloutRig;

beforeAll(async () => void ({ cp, rig } = await aRunningRig()));
afterAll(() => cp?.stop());
afterEach(() => rig.clear());

describe('a rollout of a release that is as good', () => {
  it('goes stage by stage on evidence, and says what it rests on', async () => {
    const { name, devices } = await rig.aFleet(3);
    const { id } = await rig.started(rig.plan(name));
    for (const device of await rig.nextOffered(devices)) await rig.obey(device, 12, 4);
    for (const device of await rig.nextOffered(devices)) await rig.obey(device, 12, 4);
    const { stages } = await rig.inPhase(id, 'completed');
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
    const { name, devices } = await rig.aFleet(2);
    const { id } = await rig.started(rig.plan(name));
    const [first] = await rig.nextOffered(devices);
    await rig.obey(first!, 9, 4, { ok: 500, computeCpuUs: 2_000_000 });
    await until(async () => (await rig.view(id)).stages[0]!.phase === 'analysing', 'it looks at the evidence', 20_000);
    expect((await rig.view(id)).stages[0]!.gates[1]).toMatchObject({
      verdict: 'insufficient',
      inferences: 4500,
      evidence: expect.stringContaining('evidence 4.6 of 5 needed'),
    });
    const { deployment, digest } = await rig.assigned(first!);
    await rig.says(first!, [], rig.inferences(deployment, digest as Digest, 1, 4));
    await until(async () => (await rig.view(id)).stage === 1, 'the next stage is opened', 20_000);
  });
});

describe('a rollout of a release that is slower', () => {
  it('is taken back from its first stage by three windows', async () => {
    const { name, devices } = await rig.aFleet(3);
    const { id } = await rig.started(rig.plan(name));
    for (const device of await rig.nextOffered(devices)) await rig.obey(device, 3, 40);
    const { stages, detail } = await rig.inPhase(id, 'rolling-back');
    expect(detail).toMatch(
      /^mean compute 40 ms against 4.0 ms on the same device, ratio 10.00, limit 1.5 exceeded in 3 of 3 windows.*; evidence against it 1005 of 600 needed$/,
    );
    expect(stages.map((stage) => stage.phase)).toEqual(['failed', 'pending']);
    expect(await Promise.all(devices.map(async (device) => (await rig.assigned(device)).digest))).toEqual(
      devices.map(() => digestOfRelease(old)),
    );
  });

  it('cannot be told where the incumbent has shown too little: only errors speak then', async () => {
    const { name, devices } = await rig.aFleet(2, 19);
    const { id } = await rig.started(rig.plan(name));
    for (const device of await rig.nextOffered(devices)) await rig.obey(device, 12, 40);
    await until(async () => (await rig.view(id)).stage === 1, 'the next stage is opened', 20_000);
    expect((await rig.view(id)).stages[0]!.gates).toMatchObject([
      { verdict: 'not-applicable', evidence: expect.stringMatching(/^no baseline/) },
      { verdict: 'pass' },
    ]);
  });

  it('in wall time is told by what the device counts against limits of its own', async () => {
    const { name, devices } = await rig.aFleet(2);
    const gates: RolloutPlanInput['gates'] = [
      { metric: 'wall.p95', ratioToIncumbent: 1.5, minInferences: 20, margin: 0.3 },
      { metric: 'errors', max: 0.01, minInferences: 20, margin: 0.3 },
    ];
    const { id } = await rig.started(rig.plan(name, { gates }));
    const [device] = await rig.nextOffered(devices);
    const { state } = await rig.db.transaction((tx) => cp.app.get(AssignmentsService).desiredFor(tx, device!));
    // The incumbent took 5 ms, in bins of 5 %.
    const { slow } = state.slots[0]!;
    expect(slow!['wall.p95#0']! / 7500).toBeCloseTo(1, 1);
    await rig.obey(device!, 4, 4, { slow: { 'wall.p95#0': 20 } });
    expect((await rig.inPhase(id, 'rolling-back')).detail).toMatch(
      /^80 of 80 inferences took longer than 1.5 times the incumbent's p95 \(100.00 %\); evidence against it/,
    );
  });
});

describe('evidence', () => {
  it('of small windows is put together, over transactions too', async () => {
    const { name, devices } = await rig.aFleet(2);
    const { id } = await rig.started(rig.plan(name));
    const [device] = await rig.nextOffered(devices);
    const small = { ok: 3, computeCpuUs: 12_000, total: sketchOf([5000, 5000, 5000]) };
    await rig.obey(device!, 1, 4, small);
    expect((await rig.view(id)).stages[0]!.gates[1]).toMatchObject({ inferences: 0 });
    await rig.obey(device!, 2, 4, small);
    expect((await rig.view(id)).stages[0]!.gates[1]).toMatchObject({ inferences: 6, strata: [{ windows: 1 }] });
  });

  it('is the same after its rows were put together', async () => {
    const { name, devices } = await rig.aFleet(2);
    const { id } = await rig.started(rig.plan(name));
    await cp.api('POST', `rollouts/${id}/commands`, { type: 'pause' });
    const [device] = await rig.nextOffered(devices);
    for (let i = 0; i < 70; i++) await rig.obey(device!, 1, 4);
    const before = (await rig.view(id)).stages[0]!.gates;
    await rig.db.transaction((tx) => cp.app.get(EvidenceRepository).fold(tx, id));
    expect(await rig.db.query(`SELECT count(*)::int n FROM rollout_evidence WHERE rollout = $1`, [id])).toEqual([{ n: 2 }]);
    const after = (await rig.view(id)).stages[0]!.gates;
    expect(after.map((gate) => gate.evidence)).toEqual(before.map((gate) => gate.evidence));
    expect(after[0]!.strata[0]!.pass.capital).toBeCloseTo(before[0]!.strata[0]!.pass.capital, 6);
    expect(after[0]!.strata[0]!.windows).toBe(70);
  });
});

describe('a hardware class on which the release fails again and again', () => {
  it('is kept from it, and the others go on', async () => {
    const { name, devices } = await rig.aFleet(4);
    const stages: RolloutPlanInput['stages'] = [
      { name: 'first', count: 2, soak: 0, deadline: 600 },
      { name: 'rest', percent: 100, soak: 0, deadline: 600 },
    ];
    const { id } = await rig.started(rig.plan(name, { stages, success: { committed: 0.1, coverage: 0.1 } }));
    for (const device of await rig.nextOffered(devices)) {
      const { deployment, digest } = await rig.assigned(device);
      const failed = {
        state: 'failed' as const,
        failure: 'load' as const,
        variant: 'int8.onnx',
        committed: digestOfRelease(old),
      };
      await rig.says(
        device,
        [anUpdate(boot, { slot, deployment: DeploymentId.parse(deployment), digest: digest as Digest, ...failed })],
        [],
      );
    }
    const detail = 'all that were left are kept from it';
    await until(async () => (await rig.view(id)).stages[1]!.counts.rejected === 2, detail, 20_000);
    const { items } = (await cp.api('GET', `events?rollout=${id}&kind=rollout-quarantined`)).body;
    expect(items).toMatchObject([
      { message: expect.stringMatching(/keeps 2 devices from it, quarantined: int8.onnx of .* failed on 2 of 2 devices/) },
    ]);
  });
});

describeWith('chromium', 'the status page', () => {
  it('shows what happens as it happens: stages, gates and their evidence, windows, blocked releases', async () => {
    const { name, devices } = await rig.aFleet(2);
    const page = await Browser.open(`${cp.url}/#token=${cp.adminToken}`);
    const shows = (selector: string, text: RegExp) =>
      until(async () => text.test(await page.text(selector)), `${selector} shows ${String(text)}`, 12_000);
    try {
      await shows('#summary', /devices online .* 2 releases/);
      // Nothing moves: the page looks because it has heard of it, not because time has gone by.
      const windows = { activate: { cron: '0 22 * * *', duration: '6h', zone: 'UTC' } };
      const kept = rig.plan(name, { name: `${name}-nights`, windows, approval: { count: 1 } });
      await rig.started(kept);
      await shows('#rollouts', new RegExp(`${name}-nights.*activate: 0 22 \\* \\* \\* for 6 h \\(UTC\\)`, 's'));
      await rig.clear();
      await rig.started(rig.plan(name));
      const [first] = await rig.nextOffered(devices);
      await rig.obey(first!, 9, 4);
      await shows('#rollouts', /first\s+analysing\s+1 committed\s+insufficient compute\.mean: .* evidence .* of 5 needed/);
      const killed = await cp.api('POST', 'kills', { model: 'product-classifier', version: '1.1.0', reason: 'seen in the page' });
      await shows('#blocks-section', /Blocked releases[^]*product-classifier@1\.1\.0[^]*seen in the page/);
      await shows('#rollouts', /killed/);
      await cp.api('POST', `blocks/${killed.body.id}/lift`, { reason: 'over' });
      await until(async () => (await page.text('#blocks-section')) === '', 'no release is blocked any more', 12_000);
    } finally {
      await page.close();
    }
  }, 60_000);
});
