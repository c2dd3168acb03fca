import type { DesiredSlot } from '@flotilla/protocol/device';
import { existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { FleetOfOne, type Overrides, publish, stubPath, until } from './fixtures/fleet-of-one.js';
import { ask, freePort } from './fixtures/loopback.js';

let device: FleetOfOne;
afterEach(() => device.end());

const MB = 1e6;
/** A board with so much memory left. */
const tight = (megabytes: number): Overrides => ({
  swap: { mode: 'auto', budgetBytes: 1e9, availableBytes: () => megabytes * MB },
});
async function committed(behaviour = {}): Promise<DesiredSlot> {
  const desired = device.assign(publish(device.server, { 'good.onnx': { is: 'good', ...behaviour } }));
  await device.reported(desired, 'committed');
  return desired;
}
const reasons = ({ deployment }: DesiredSlot) =>
  device.reports.flatMap((r) => (r.deployment === deployment && r.reason !== undefined ? [`${r.state}: ${r.reason}`] : []));

describe('where memory does not allow two runners', () => {
  it('the incumbent goes first; that is told beforehand, and the gap afterwards', async () => {
    device = await FleetOfOne.make(tight(100));
    await committed();
    const next = device.assign(publish(device.server, { 'next.onnx': { is: 'next', loadMs: 100 } }));
    await device.reported(next, 'committed');
    // No preflight beside the incumbent: the candidate proved itself in its own process.
    expect(device.told(next)).toEqual(['offered', 'resolved', 'downloading', 'verified', 'staged', 'probation', 'committed']);
    const [staged, probation] = reasons(next);
    expect(staged).toMatch(/^staged: sequential swap: 150 MB needed, 100 MB free$/);
    expect(Number(/^probation: sequential swap: nothing served for ([\d.]+) s$/.exec(probation!)?.[1])).toBeGreaterThanOrEqual(
      0.1,
    );
    await device.serves(next.manifestDigest);
    expect(device.runners().length).toBe(1);
  });

  it('what was measured in its own process is remembered, and used for the next forecast', async () => {
    device = await FleetOfOne.make(tight(100));
    const first = await committed();
    const next = device.assign(publish(device.server, { 'next.onnx': { is: 'next' } }));
    await device.reported(next, 'committed');
    // Its peak was 1000 bytes: now it fits.
    const again = device.assign(first.manifestDigest);
    await device.reported(again, 'committed');
    const back = device.assign(next.manifestDigest);
    await device.reported(back, 'committed');
    expect(reasons(back)).toEqual([]);
  });

  it.each([
    ['does not load', { serve: { failure: 'load' } }, 'failed load'],
    ['fails its golden set', { serve: { failure: 'golden' } }, 'failed golden'],
    ['crashes while it loads', { serve: { crash: 'SIGSEGV' } }, 'failed crash'],
  ])('the incumbent serves again when the candidate %s', async (_name, behaviour, told) => {
    device = await FleetOfOne.make(tight(100));
    const good = await committed();
    const [before] = device.runners();
    const bad = device.assign(publish(device.server, { 'bad.onnx': behaviour }));
    await device.reported(bad, told);
    await device.serves(good.manifestDigest);
    expect(device.runners()).not.toContain(before);
    expect(device.slots.reported()[0]).toMatchObject({ committed: good.manifestDigest, state: 'failed' });
    expect(device.alarms).toEqual([
      expect.stringMatching(/^service-gap: classifier@1.0.0 serves again: .* nothing served for [\d.]+ s$/),
    ]);
  });

  it('a roll back is sequential too, and tells its gap', async () => {
    // Measured, it would fit: here every swap is told to be sequential.
    device = await FleetOfOne.make({ swap: { mode: 'sequential', budgetBytes: 1e9 } });
    const good = await committed();
    const bad = device.assign(publish(device.server, { 'bad.onnx': { errors: true } }), { inferences: 1000, timeoutS: 300 });
    await device.reported(bad, 'rolled-back health');
    await device.serves(good.manifestDigest);
    expect(reasons(bad)[0]).toBe('staged: sequential swap: it is configured');
    expect(reasons(bad).at(-1)).toMatch(/^rolled-back: .*; sequential swap: nothing served for [\d.]+ s$/);
  });

  it.skipIf(!existsSync(stubPath))('a client who comes in the gap is told the reason when it takes long', async () => {
    const port = await freePort();
    const slots = { inspection: { listen: { http: { host: '127.0.0.1', port } } } };
    device = await FleetOfOne.make({ ...tight(100), slots, deadlines: { standInMs: 100, graceMs: 500 } });
    await committed();
    const slow = device.assign(publish(device.server, { 'slow.onnx': { is: 'slow', loadMs: 4000 } }));
    await device.reported(slow, 'staged');
    const refused = await answered(() =>
      fetch(`http://127.0.0.1:${port}/v2/models/inspection/infer`, { method: 'POST', body: '{}' }),
    );
    expect(refused.status).toBe(503);
    expect(await refused.json()).toEqual({
      error: 'no model serves here: classifier@1.0.0 is being loaded: sequential swap: 150 MB needed, 100 MB free',
    });
    await device.reported(slow, 'committed');
    await until(
      async () => (await Promise.race([ask(port), delay(300)]).catch(() => '')) === slow.manifestDigest,
      () => 'the stub still answers',
    );
  });

  it('a client who comes in a short gap waits in the backlog and is answered by what comes next', async () => {
    const port = await freePort();
    const slots = { inspection: { listen: { http: { host: '127.0.0.1', port } } } };
    device = await FleetOfOne.make({ ...tight(100), slots, deadlines: { standInMs: 60_000, graceMs: 500 } });
    await committed();
    const [incumbent] = device.runners();
    const next = device.assign(publish(device.server, { 'next.onnx': { is: 'next', loadMs: 1000 } }));
    await until(
      () => !device.runners().includes(incumbent!),
      () => 'the incumbent does not go',
    );
    // Nobody listens now: the supervisor holds the socket, and the kernel the connection.
    expect(await ask(port)).toBe(next.manifestDigest);
    await device.reported(next, 'committed');
  });
});

/** The first answer: the incumbent of a fake runner speaks no HTTP, and while it leaves a connection may be cut. */
async function answered(request: () => Promise<Response>): Promise<Response> {
  let answer: Response | undefined;
  await until(
    async () => (answer = await request().catch(() => undefined)) !== undefined,
    () => 'nobody answers',
  );
  return answer!;
}

describe('otherwise', () => {
  it('swaps are parallel where the operator says so, whatever the forecast', async () => {
    device = await FleetOfOne.make({ swap: { mode: 'parallel', budgetBytes: 1, availableBytes: () => 1 } });
    await committed();
    const next = device.assign(publish(device.server, { 'next.onnx': { is: 'next' } }));
    await device.reported(next, 'committed');
    expect(reasons(next)).toEqual([]);
    expect(device.told(next)).toContain('preflight');
  });

  it('an engine that compiles is seen to, and a provider that is not used raises an alarm', async () => {
    device = await FleetOfOne.make();
    const desired = device.assign(
      publish(device.server, { 'm.onnx': { compiles: true, ready: { provider: 'cpu', shortfall: 'no GPU here' } } }),
    );
    await device.reported(desired, 'committed');
    expect(reasons(desired)).toEqual(['compiling: compiling m.onnx, 40 %']);
    expect(device.alarms).toEqual([
      'provider-not-used: classifier@1.0.0 computes on cpu, for want of a better one: no GPU here, asked for cpu',
    ]);
  });
});
