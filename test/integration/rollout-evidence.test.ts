import { type DeviceId, type RolloutPlanInput, RolloutPreview } from '@flotilla/protocol';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { TestControlPlane } from '../support/control-plane.js';
import { aRunningRig, type RolloutRig } from '../support/rollout-rig.js';
import { until } from '../support/until.js';

let cp: TestControlPlane;
let rig: RolloutRig;
beforeAll(async () => void ({ cp, rig } = await aRunningRig()));
afterEach(() => rig.clear());
afterAll(() => cp?.stop());

type Gates = NonNullable<RolloutPlanInput['gates']>;
const errors = { metric: 'errors', max: 0.01, minInferences: 20, margin: 0.3 } as const;
const feedback = { metric: 'feedback.rejected', max: 0.05, minInferences: 5, margin: 0.4 } as const;
const temperature = { metric: 'temperature', maxC: 80, minInferences: 20, margin: 0.3 } as const;
const throttling = { metric: 'throttling', max: 0.02, minInferences: 20, margin: 0.3 } as const;

/** A rollout over two devices with these gates, and the first device that was offered it. */
async function offered(gates: Gates, fleet?: { name: string; devices: DeviceId[] }, more: Partial<RolloutPlanInput> = {}) {
  const { name, devices } = fleet ?? (await rig.aFleet(2));
  const { id } = await rig.started(rig.plan(name, { gates, ...more }));
  const [device] = await rig.nextOffered(devices);
  return { id, device: device! };
}
const gatesOf = async (id: string) => (await rig.view(id)).stages[0]!.gates;

describe('feedback', () => {
  it('that says wrong too often takes the release back', async () => {
    const { id, device } = await offered([feedback, errors]);
    await rig.obey(device, 8, 4, { feedback: { confirmed: 1, rejected: 1, corrected: 1 } });
    expect((await rig.inPhase(id, 'rolling-back')).detail).toMatch(
      /^16 of 24 verdicts say wrong \(66.67 %\), limit 5.00 %; evidence against it/,
    );
  });

  it('that is good lets it pass, also when it comes long after the last inference', async () => {
    const { id, device } = await offered([feedback, errors]);
    await rig.obey(device, 12, 4);
    expect(await gatesOf(id)).toMatchObject([
      { verdict: 'insufficient', evidence: expect.stringMatching(/^nobody has said whether predictions were right/) },
      { verdict: 'pass' },
    ]);
    await rig.obey(device, 12, 4, { ok: 0, computeCpuUs: 0, total: { first: 0, counts: [] }, feedback: aYes });
    await until(async () => (await rig.view(id)).stage === 1, 'the next stage is opened', 20_000);
  });

  it('is compared with what was said of the incumbent on the same device', async () => {
    const fleet = await rig.aFleet(2);
    for (const device of fleet.devices) await rig.obey(device, 40, 4, { feedback: { confirmed: 4, rejected: 0, corrected: 0 } });
    const { id, device } = await offered([{ ...feedback, max: undefined, ratioToIncumbent: 1.5 }, errors], fleet);
    await rig.obey(device, 20, 4, { feedback: { confirmed: 1, rejected: 1, corrected: 0 } });
    expect((await rig.inPhase(id, 'rolling-back')).detail).toMatch(
      /^20 of 40 verdicts say wrong \(50.00 %\) against 0.00 % of the incumbent's on the same device, limit 1.5; evidence against it/,
    );
  });

  it('on what the release before predicted is not held against this one', async () => {
    const fleet = await rig.aFleet(2);
    const before = await rig.assigned(fleet.devices[0]!);
    const { id } = await rig.started(rig.plan(fleet.name, { gates: [feedback, errors], stages: oneStage }));
    await rig.nextOffered(fleet.devices);
    const late = rig.inferences(before.deployment, before.digest as never, 9, 4, { ok: 0, feedback: { ...aYes, rejected: 9 } });
    await rig.says(fleet.devices[0]!, [], late);
    expect((await gatesOf(id))[0]).toMatchObject({ inferences: 0, verdict: 'insufficient' });
  });
});
const aYes = { confirmed: 1, rejected: 0, corrected: 0 };
const oneStage = [{ name: 'all', percent: 100, soak: 0, deadline: 600 }];

describe('a board', () => {
  it('that becomes too hot with the release makes it go back', async () => {
    const { id, device } = await offered([temperature, errors]);
    await rig.obey(device, 6, 4, { temperatureMaxC: 86.5 });
    expect((await rig.inPhase(id, 'rolling-back')).detail).toMatch(
      /^at most 86.5 °C on average, limit 80 °C exceeded in 6 of 6 windows; evidence against it/,
    );
  });

  it('that is held back with the release makes it go back', async () => {
    const { id, device } = await offered([throttling, errors]);
    await rig.obey(device, 8, 4, { throttledMs: 500 });
    expect((await rig.inPhase(id, 'rolling-back')).detail).toMatch(/^held back for 50.00 % of 8 s, limit 2.00 %; evidence/);
  });

  it('that is cool and at ease lets it pass', async () => {
    const { id, device } = await offered([temperature, throttling, errors]);
    await rig.obey(device, 20, 4, { temperatureMaxC: 61, throttledMs: 0 });
    await until(async () => (await rig.view(id)).stage === 1, 'the next stage is opened', 20_000);
  });

  it('without a sensor never passes: the stage is inconclusive, and the plan said so beforehand', async () => {
    const fleet = await rig.aFleet(2);
    const evidence = { pass: 0.2, maxWait: 0 };
    const plan = rig.plan(fleet.name, { gates: [temperature, errors], evidence });
    const { body } = await cp.api('POST', 'rollouts/preview', plan);
    expect(RolloutPreview.parse(body)).toMatchObject({
      problems: [],
      unheard: [expect.stringMatching(/^temperature: .*no sensor/)],
    });
    const { id, device } = await offered([temperature, errors], fleet, { evidence });
    await rig.obey(device, 12, 4);
    const { reason, detail } = await rig.inPhase(id, 'paused');
    expect(reason).toBe('inconclusive');
    expect(detail).toMatch(/temperature: no temperature was told: without a sensor this gate never passes/);
  });
});
