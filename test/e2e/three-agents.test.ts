import { execFile } from 'node:child_process';
import { appendFile, cp, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { pushRelease } from '@flotilla/control-plane/cli/push-release';
import { Baseline, BaselineCounts, DeviceView, EventView, type RolloutPlanInput, RolloutView } from '@flotilla/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { localDevices, slot, type LocalDevice } from '../local-fleet/devices.js';
import { agentProgram, Fleet, models } from '../local-fleet/fleet.js';
import { freePorts } from '../support/ports.js';
import { until } from '../support/until.js';

/** Real processes throughout: control plane with embedded PostgreSQL and broker, three agents with runners, the shipped model. */
describe('three agents', { timeout: 240_000 }, () => {
  let dataDir: string;
  let fleet: Fleet;
  let devices: LocalDevice[];

  beforeAll(async () => {
    dataDir = join(await mkdtemp(join(tmpdir(), 'flotilla-e2e-')), 'with a space');
    const [http, deviceApi, mqtt, ...ports] = await freePorts(6);
    devices = localDevices(0)
      .slice(0, 3)
      .map((device, i) => ({ ...device, port: ports[i]! }));
    fleet = new Fleet(
      { dataDir, ports: { http: http!, deviceApi: deviceApi!, mqtt: mqtt! }, devices },
      { line: () => undefined, update: () => undefined, settle: () => undefined },
    );
    await fleet.start();
  }, 120_000);

  afterAll(async () => {
    await fleet.stop();
    await rm(join(dataDir, '..'), { recursive: true, force: true });
  }, 30_000);

  /** Windows with enough inferences to be compared with, of the device that has the fewest. */
  const slowestBaseline = async () => {
    const devices = await fleet.client.list('/api/v1/devices', DeviceView);
    const seen = devices.map(({ id }) => fleet.client.get(`/api/v1/devices/${id}/telemetry?limit=100`, Windows));
    return Math.min(...(await Promise.all(seen)).map(({ windows }) => windows.filter(({ ok }) => ok >= 5).length));
  };
  const push = (version: string) => pushRelease(fleet.client, join(models, 'releases', version));
  /** A baseline of the pictures that the devices see, made and named as an operator would. */
  const pushWithBaseline = async (version: string) => {
    const folder = join(dataDir, '..', version);
    await cp(join(models, 'releases', version), folder, { recursive: true });
    await promisify(execFile)(process.execPath, [agentProgram, 'baseline', folder, join(models, 'photographs')]);
    await appendFile(join(folder, 'release.yaml'), '\nbaseline: baseline.json\n');
    const baseline = Baseline.parse(JSON.parse(await readFile(join(folder, 'baseline.json'), 'utf8')));
    return { ...(await pushRelease(fleet.client, folder)), baseline };
  };
  const countsOf = async (device: string, digest: string): Promise<BaselineCounts | undefined> => {
    const { windows } = await fleet.client.get(`/api/v1/devices/${device}/telemetry?limit=100`, Windows);
    return windows.find((window) => window.digest === digest && window.ok >= 5)?.baseline;
  };
  const committed = async (digest: string) => {
    const all = await fleet.client.list('/api/v1/devices', DeviceView);
    return all.filter((device) => device.slots.some((s) => s.reported?.committed === digest && s.reported.digest === digest))
      .length;
  };
  const roll = async (version: string): Promise<RolloutView> => {
    const { id } = await fleet.client.post('/api/v1/rollouts', plan(version), RolloutView);
    const current = () => fleet.client.get(`/api/v1/rollouts/${id}`, RolloutView);
    await until(
      async () => !['running', 'rolling-back'].includes((await current()).phase),
      `the rollout of ${version} is over`,
      180_000,
    );
    return current();
  };

  it('run the release that they were assigned, and their predictions are right', async () => {
    const release = await push('1.0.0');
    await fleet.client.post(
      '/api/v1/assignments',
      { release: release.name, slot, target: 'fleet=local', probation: { inferences: 5, timeoutS: 60 } },
      z.unknown(),
    );
    await until(async () => (await committed(release.digest)) === 3, 'three devices have committed', 120_000);
    const Photographs = z.object({
      photographs: z.array(z.object({ file: z.string(), classes: z.array(z.object({ index: z.int() })) })),
    });
    const known = Photographs.parse(JSON.parse(await readFile(join(models, 'photographs/photographs.json'), 'utf8'))).photographs;
    const picture = known.find((photograph) => photograph.file.includes('coffee'))!;
    const response = await fetch(`http://127.0.0.1:${devices[0]!.port}/v1/slots/${slot}/predict`, {
      method: 'POST',
      headers: { 'content-type': 'image/jpeg' },
      body: await readFile(join(models, 'photographs', picture.file)),
    });
    expect(response.status).toBe(200);
    const answer = z.object({ top: z.array(z.object({ index: z.int() })) }).parse(await response.json());
    expect(picture.classes.map((c) => c.index)).toContain(answer.top[0]!.index);
  });

  it('take a release back that fails its golden cases, and go on with the one before', async () => {
    const before = (await fleet.client.list('/api/v1/devices', DeviceView))[0]!.slots[0]!.reported!.committed!;
    const broken = await push('1.3.0');
    const rollout = await roll('1.3.0');
    expect(rollout).toMatchObject({ phase: 'rolled-back', stages: [{ phase: 'failed' }, { phase: 'pending' }] });
    const failures = await fleet.client.list('/api/v1/events?kind=update-failed', EventView, 20);
    expect(failures.find((event) => event.data['digest'] === broken.digest)?.data['failure']).toBe('golden');
    expect(await committed(before)).toBe(3);
  });

  it('infer through the death of supervisor and control plane, and take a better release', async () => {
    process.kill(fleet.pidOf(devices[1]!.name), 'SIGKILL');
    process.kill(fleet.pidOf('control plane'), 'SIGKILL');
    await until(
      () =>
        fetch(`http://127.0.0.1:${devices[1]!.port}/v2/health/ready`).then(
          (r) => r.ok,
          () => false,
        ),
      'it serves again',
      30_000,
    );
    await until(
      async () => {
        const all = await fleet.client.list('/api/v1/devices', DeviceView).catch(() => []);
        return all.length === 3 && all.every((device) => device.online);
      },
      'all are online again',
      90_000,
    );
    await until(async () => (await slowestBaseline()) >= 8, 'each device has shown what its incumbent needs', 60_000);
    const better = await pushWithBaseline('1.2.0');
    const rollout = await roll('1.2.0');
    expect(rollout.phase).toBe('completed');
    expect(rollout.stages[0]!.gates.find((gate) => gate.metric === 'compute.mean')).toMatchObject({ verdict: 'pass' });
    expect(await committed(better.digest)).toBe(3);

    await until(async () => (await countsOf('lyon-1', better.digest)) !== undefined, 'a window tells of its baseline', 30_000);
    const counts = (await countsOf('lyon-1', better.digest))!;
    const { inputs, score } = better.baseline;
    expect(counts.inputs.map((bins) => bins.length)).toEqual(inputs.map(({ edges }) => edges.length + 1));
    // The same pictures: what is seen lies within what the baseline has seen, and not beyond its outer edges.
    expect(counts.inputs.every((bins) => sum(bins.slice(1, -1)) > 0)).toBe(true);
    expect(counts.inputs.every((bins) => bins[0] === 0 && bins.at(-1) === 0)).toBe(true);
    expect(counts.score).toHaveLength(score!.edges.length + 1);
    expect(sum(counts.score!)).toBeGreaterThanOrEqual(5);
  });
});

const sum = (bins: readonly number[]) => bins.reduce((all, count) => all + count, 0);

/** What is read of a device's telemetry here. */
const Windows = z.object({
  windows: z.array(z.object({ ok: z.int(), digest: z.string(), baseline: BaselineCounts.optional() })),
});

const plan = (version: string): RolloutPlanInput => ({
  name: version,
  release: `product-classifier@${version}`,
  slot,
  target: 'fleet=local',
  stages: [
    { name: 'first', count: 1, soak: 1, deadline: 150 },
    { name: 'rest', percent: 100, soak: 1, deadline: 150 },
  ],
  gates: [
    { metric: 'compute.mean', ratioToIncumbent: 1.5, minInferences: 20, margin: 0.3 },
    { metric: 'errors', max: 0.05, minInferences: 20, margin: 0.3 },
  ],
  evidence: { pass: 0.2, baselineWindows: 5 },
  success: { deviceDeadline: 150 },
  probation: { inferences: 5, timeoutS: 60 },
});
