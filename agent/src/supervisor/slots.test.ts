import { DeploymentId, type DesiredSlot, type Manifest, SlotName } from '@flotilla/protocol/device';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { ask, freePort } from './fixtures/loopback.js';
import { answering, ArtifactServer } from './fixtures/artifact-server.js';
import { FleetOfOne, inspection, type Overrides, publish, until, usualCapability } from './fixtures/fleet-of-one.js';

let device: FleetOfOne;
const aDevice = async (overrides?: Overrides) => (device = await FleetOfOne.make(overrides));
afterEach(() => device.end());

const whole = ['offered', 'resolved', 'downloading', 'verified', 'preflight', 'staged', 'probation', 'committed'];
async function committed(behaviour = {}): Promise<DesiredSlot> {
  const desired = device.assign(publish(device.server, { 'good.onnx': { is: 'good', ...behaviour } }));
  await device.reported(desired, 'committed');
  return desired;
}
const runners = () => device.runners();

describe('a slot', () => {
  it('takes a release from offer to commit', async () => {
    await aDevice();
    const desired = await committed();
    expect(device.told(desired)).toEqual(whole);
    expect(device.slots.reported()).toEqual([
      {
        slot: inspection,
        deployment: desired.deployment,
        digest: desired.manifestDigest,
        committed: desired.manifestDigest,
        state: 'committed',
      },
    ]);
    expect(device.slots.runnerRssBytes()).toBe(1000);
  });

  it('that computes on less than what was asked for says so', async () => {
    await aDevice({ capability: { ...usualCapability, providers: ['cuda', 'cpu'] } });
    const behaviour = { ready: { provider: 'cpu', shortfall: 'cuda: no device was found' } };
    // What the device has of what the release was made for, in the device's order.
    const variants: Manifest['variants'] = [{ file: 'a.onnx', precision: 'int8', providers: ['cpu', 'tensorrt', 'cuda'] }];
    await device.reported(device.assign(publish(device.server, { 'a.onnx': behaviour }, { variants })), 'committed');
    expect(device.alarms).toContain(
      'provider-not-used: classifier@1.0.0 computes on cpu, for want of a better one: cuda: no device was found, asked for cuda,cpu',
    );
  });

  it.each([
    ['the device', {}, 'an inference ran for 6.0 s, the limit is 5 s'],
    ['its own release', { limits: { maxRunMs: 1500 } }, 'an inference ran for 6.0 s, the limit is 1.5 s'],
    [
      'the device, though its release allows more',
      { limits: { maxRunMs: 9000 } },
      'an inference ran for 6.0 s, the limit is 5 s',
    ],
  ])('is ended when an inference takes longer than %s allows', async (_whose, overrides, reason) => {
    await aDevice({ limits: { maxComputeMs: 250, maxRssBytes: 1e9, maxRunMs: 5000 } });
    const desired = device.assign(publish(device.server, { 'a.onnx': { computingMs: 6000 } }, overrides));
    const { reason: told } = await device.reported(desired, 'rolled-back crash');
    expect(told).toContain(reason);
  });

  it('swaps to another release, and the first one sends its last window', async () => {
    await aDevice();
    const first = await committed();
    const second = device.assign(publish(device.server, { 'better.onnx': { is: 'better' } }));
    await device.reported(second, 'committed');
    await device.serves(second.manifestDigest);
    await until(
      () => device.windows.length > 0,
      () => 'no last window came',
    );
    expect(device.windows[0]?.window).toMatchObject({ deployment: first.deployment, digest: first.manifestDigest });
    await until(
      () => runners().length === 1,
      () => `runners: ${runners().join()}`,
    );
  });

  it('takes the fastest variant that passes, and measures it once', async () => {
    await aDevice();
    const variants = {
      'slow.onnx': { computeMs: 9 },
      'broken.onnx': { preflight: { failure: 'golden' } },
      'fast.onnx': { computeMs: 3 },
    };
    const digest = publish(device.server, variants);
    const desired = device.assign(digest);
    await device.reported(desired, 'committed');
    expect(device.reports.at(-1)).toMatchObject({ variant: 'fast.onnx' });
    const other = await committed();
    expect(other.manifestDigest).not.toBe(digest);
    const again = device.assign(digest);
    await device.reported(again, 'committed');
    expect(device.told(again)).not.toContain('preflight');
  });

  it.each([
    ['golden', { preflight: { failure: 'golden' } }, 'failed golden'],
    ['crash in preflight', { preflight: { crash: 'SIGSEGV' } }, 'failed crash'],
    ['exit while it loads', { serve: { crash: 'exit' } }, 'failed crash'],
    ['refusal to load', { serve: { failure: 'load' } }, 'failed load'],
    ['hang in preflight', { preflight: { crash: 'hang' } }, 'failed crash'],
  ])('leaves the incumbent alone on a %s', async (_name, behaviour, told) => {
    await aDevice();
    const good = await committed();
    const [before] = runners();
    const bad = device.assign(publish(device.server, { 'bad.onnx': behaviour }));
    await device.reported(bad, told);
    await until(
      () => runners().length === 1,
      () => `runners: ${runners().join()}`,
    );
    expect(runners()).toEqual([before]);
    await device.serves(good.manifestDigest);
  });

  it.each([
    ['abort', { dies: { after: 5, how: 'SIGABRT' } }, 'crash'],
    ['exit', { dies: { after: 5, how: 'exit' } }, 'crash'],
    ['hang', { dies: { after: 5, how: 'hang' } }, 'crash'],
    ['burst of errors', { errors: true }, 'health'],
    ['growth', { rssBytes: 2e9 }, 'memory'],
    ['crash in the swap', { activate: { crash: 'SIGSEGV' } }, 'crash'],
    ['second death by a signal', { dies: { after: 5, how: 'SIGKILL' } }, 'crash'],
  ])('rolls back to the committed release on a %s', async (_name, behaviour, failure) => {
    await aDevice();
    const good = await committed();
    const bad = device.assign(publish(device.server, { 'bad.onnx': behaviour }), { inferences: 1000, timeoutS: 300 });
    await device.reported(bad, `rolled-back ${failure}`);
    expect(device.told(bad)).toContain(`rolling-back ${failure}`);
    expect(device.slots.reported()[0]).toMatchObject({
      digest: good.manifestDigest,
      committed: good.manifestDigest,
      state: 'rolled-back',
    });
  });

  it('tries again after one death on probation by a signal from outside', async () => {
    await aDevice();
    await committed();
    const next = device.assign(publish(device.server, { 'next.onnx': { is: 'next' } }), { inferences: 200, timeoutS: 300 });
    await device.reported(next, 'probation');
    await device.serves(next.manifestDigest);
    process.kill(Math.max(...runners()), 'SIGKILL');
    await device.reported(next, 'committed');
    expect(device.told(next).slice(-4)).toEqual(['probation', 'staged interrupted', 'probation', 'committed']);
  });

  it('commits as unproven where no traffic comes', async () => {
    await aDevice();
    const desired = device.assign(publish(device.server, { 'a.onnx': { idle: true } }), { inferences: 20, timeoutS: 1 });
    await device.reported(desired, 'committed-unproven');
  });

  it('starts a committed runner that was killed again', async () => {
    await aDevice({ random: () => 0.1 });
    const good = await committed();
    const [pid] = runners();
    process.kill(pid!, 'SIGKILL');
    await until(
      () => runners().length === 1 && runners()[0] !== pid,
      () => 'it was not started again',
    );
    await device.serves(good.manifestDigest);
    expect(device.told(good)).toEqual(whole);
  });

  it('takes a new deployment of the committed digest straight away, and windows carry it', async () => {
    await aDevice();
    const good = await committed();
    const again = device.assign(good.manifestDigest);
    await device.reported(again, 'committed');
    expect(device.told(again)).toEqual(['committed']);
    await until(
      () => runners().length === 1,
      () => 'another runner was started',
    );
    await device.slots.stop();
    expect(device.windows.at(-1)?.window.deployment).toBe(again.deployment);
  });

  it('leaves what is said of an earlier deployment to that one', async () => {
    await aDevice();
    const past = { deployment: '8f14e45f-ceea-4e7a-9c3b-0d9c1f3a2b11', feedback: { confirmed: 0, rejected: 1, corrected: 0 } };
    const good = await committed({ past });
    await device.slots.stop();
    await until(
      () => device.windows.some((message) => message.past !== undefined),
      () => 'nothing was said of it',
    );
    expect(device.windows.find((message) => message.past)?.window).toMatchObject(past);
    expect(device.windows.find((message) => !message.past)?.window.deployment).toBe(good.deployment);
  });

  it('lets a newer deployment take the place of one on its way', async () => {
    await aDevice();
    const slow = device.assign(publish(device.server, { 'slow.onnx': { loadMs: 60_000 } }));
    await device.reported(slow, 'staged');
    const next = await committed();
    await device.serves(next.manifestDigest);
    expect(device.told(slow).at(-1)).toBe('staged');
    await until(
      () => runners().length === 1,
      () => `runners: ${runners().join()}`,
    );
  });

  it('stops when the desired state no longer names it', async () => {
    await aDevice();
    await committed();
    device.apply([]);
    await until(
      () => runners().length === 0,
      () => 'the runner did not go',
    );
    expect(device.slots.reported()).toEqual([{ slot: inspection, state: 'idle' }]);
  });

  it('that the device does not have is rejected, once', async () => {
    await aDevice();
    const deployment = DeploymentId.parse('00000000-0000-4000-8000-000000000099');
    const slot = SlotName.parse('packing');
    const desired = {
      slot,
      deployment,
      release: 'a@1.0.0',
      manifestDigest: publish(device.server, { a: {} }),
      probation: { inferences: 20, timeoutS: 300 },
    };
    device.apply([desired]);
    device.apply([desired]);
    expect(device.told(desired)).toEqual(['rejected incompatible']);
    expect(device.reports[0]?.reason).toBe('this device has no slot "packing"; its slots are: inspection');
    expect(device.slots.reported()[1]).toEqual({ slot, deployment, state: 'rejected' });
  });

  it('serves the last known good after a start without a network', async () => {
    await aDevice();
    const good = await committed();
    await device.server.stop();
    const from = performance.now();
    await device.restart();
    await device.serves(good.manifestDigest);
    expect(performance.now() - from).toBeLessThan(9000);
    expect(device.told(good).slice(whole.length)).toEqual(['committed']);
  });

  it('goes on with an update that a restart cut', async () => {
    await aDevice();
    const good = await committed();
    const next = device.assign(publish(device.server, { 'next.onnx': { is: 'next' } }), { inferences: 100, timeoutS: 300 });
    await device.reported(next, 'probation');
    await device.restart();
    await device.serves(good.manifestDigest);
    await device.reported(next, 'committed');
    await device.serves(next.manifestDigest);
  });

  it('fetches a damaged committed release again', async () => {
    await aDevice();
    const good = await committed();
    await device.slots.stop();
    const release = join(device.folder, 'store', 'releases', good.manifestDigest);
    await chmod(join(release, 'good.onnx'), 0o644);
    await writeFile(join(release, 'good.onnx'), 'decayed');
    await device.restart();
    await device.serves(good.manifestDigest);
  });

  it('keeps serving when its journal is damaged, and says so', async () => {
    await aDevice();
    const good = await committed();
    await device.slots.stop();
    await writeFile(join(device.folder, 'journal', 'inspection.json'), '{"version":1,"boot');
    await device.restart();
    await device.serves(good.manifestDigest);
    expect(device.alarms[0]).toMatch(/^journal-damaged: .*goes on with classifier@1.0.0/);
    expect(readdirSync(join(device.folder, 'journal'))).toContain('inspection.json.damaged');
  });

  it('keeps serving but begins nothing new when its journal cannot be written', async () => {
    await aDevice();
    const good = await committed();
    // At once: a slot that saves in between would bring the folder back.
    rmSync(join(device.folder, 'journal'), { recursive: true });
    const next = device.assign(publish(device.server, { 'next.onnx': { is: 'next' } }));
    await device.reported(next, 'failed space');
    await device.serves(good.manifestDigest);
    expect(device.alarms).toHaveLength(1);
    expect(device.alarms[0]).toMatch(/^journal-unwritable: the journal of slot "inspection" cannot be written/);
  });

  it('reports why it waits for a download, and that a server refuses one', async () => {
    await aDevice();
    const digest = publish(device.server, { 'a.onnx': { is: 'far away' } });
    device.server.faults.push(() => false, answering(503));
    const desired = device.assign(digest);
    await device.reported(desired, 'waiting transport');
    await device.reported(desired, 'committed');
    const nowhere = device.assign(publish(await elsewhere(), { 'b.onnx': {} }));
    expect(await device.reported(nowhere, 'failed transport')).toMatchObject({
      reason: expect.stringContaining('it answers 404'),
    });
  });

  it('refuses what is larger than its store', async () => {
    await aDevice({ storeBytes: 10 });
    const desired = device.assign(publish(device.server, { 'a.onnx': { is: 'large' } }));
    await device.reported(desired, 'failed space');
  });

  it('rejects a release that this device cannot run, and what is no manifest', async () => {
    await aDevice();
    const gpu = device.assign(
      publish(device.server, { 'a.onnx': {} }, { variants: [{ file: 'a.onnx', precision: 'fp16', providers: ['cuda'] }] }),
    );
    expect(await device.reported(gpu, 'rejected incompatible')).toMatchObject({ reason: expect.stringContaining('needs cuda') });
    const strange = device.assign(device.server.put('{"v":2}'));
    expect(await device.reported(strange, 'rejected incompatible')).toMatchObject({
      reason: expect.stringContaining('update the agent'),
    });
  });

  it('answers on one address through swaps and deaths', async () => {
    const port = await freePort();
    await aDevice({
      random: () => 0.1,
      slots: { inspection: { listen: { http: { host: '127.0.0.1', port } } } },
    });
    const first = await committed();
    const answers: string[] = [];
    let asking = true;
    const client = (async () => {
      while (asking) answers.push(await ask(port));
    })();
    const second = device.assign(publish(device.server, { 'better.onnx': { is: 'better' } }));
    await device.reported(second, 'committed');
    await device.serves(second.manifestDigest);
    process.kill(Math.max(...runners()), 'SIGKILL');
    await device.serves(undefined);
    await device.serves(second.manifestDigest);
    asking = false;
    await client;
    // One may have been with the runner that was killed, which then says nothing any more.
    const answered = answers.filter((answer) => answer !== '');
    expect(answers.length - answered.length).toBeLessThanOrEqual(1);
    expect(new Set(answered)).toEqual(new Set([first.manifestDigest, second.manifestDigest]));
  });
});

describe('a power cut', () => {
  const journalled = ['offered', 'resolved', 'downloading', 'verified', 'preflight', 'staged', 'probation'];
  it('in any state of an update finds the committed release, and ends the update', async () => {
    const journals = new Map<string, string>();
    const file = () => join(device.folder, 'journal', 'inspection.json');
    // A report follows the save: this is what a cut at that moment leaves on the disk.
    await aDevice({
      onEvent: (report) => device.reports.push(report) && journals.set(report.state, readFileSync(file(), 'utf8')),
    });
    const good = await committed();
    journals.clear();
    const next = device.assign(publish(device.server, { 'next.onnx': { is: 'next' } }));
    await device.reported(next, 'committed');
    expect([...journals.keys()]).toEqual([...journalled, 'committed']);
    // Each cut is of the first try: what later tries journal counts their interruptions.
    const cuts = new Map(journals);
    for (const state of journalled) {
      await device.slots.stop();
      await writeFile(file(), cuts.get(state)!);
      device.reports.length = 0;
      await device.restart();
      expect(device.told(next)[0]).toMatch(/^offered/);
      expect(device.reports[0]?.committed).toBe(good.manifestDigest);
      await device.reported(next, 'committed');
      await device.serves(next.manifestDigest);
    }
  });
});

/** A server of which only the name is left: its artifacts are on no other. */
async function elsewhere() {
  const server = await ArtifactServer.start();
  await server.stop();
  return server;
}
