import { aLog } from '@flotilla/agent/fixtures/eventually';
import { ChildEngine } from '@flotilla/agent/runner/engine/child-engine';
import type { Engine } from '@flotilla/agent/runner/engine/engine';
import { OrtEngine } from '@flotilla/agent/runner/engine/ort-engine';
import { shippedVersions, Workshop } from '@flotilla/agent/runner/fixtures/orders';
import { preflight } from '@flotilla/agent/runner/preflight';
import { probe } from '@flotilla/agent/runner/probe';
import { numbersOf, type Tensor } from '@flotilla/agent/runner/tensor';
import { DeviceEngines, probeEngines } from '@flotilla/agent/supervisor/engines';
import { FleetOfOne, quiet, usualCapability } from '@flotilla/agent/supervisor/fixtures/fleet-of-one';
import { publishFolder, releases } from '@flotilla/agent/supervisor/fixtures/shipped-releases';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from 'vitest';
import { describeWith, pythonProgram } from '../support/required.js';

const file = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const program = file('agent/engines/python/flotilla_engine.py');
/** Where Python and the loader look for the GPU's libraries; the runners of a FleetOfOne inherit nothing. */
const { PYTHONPATH = '', LD_LIBRARY_PATH = '', PATH = '' } = process.env;
const entry = { name: 'gpu', command: [pythonProgram, program], env: { PYTHONPATH, LD_LIBRARY_PATH, PATH } };
const onGpu = { intraOpThreads: 1, providers: ['cuda' as const, 'cpu' as const] };

const workshop = new Workshop();
const engines: Engine[] = [];
afterEach(async () => {
  await Promise.all(engines.splice(0).map((engine) => engine.close()));
  await workshop.clear();
});

function opened<E extends Engine>(engine: E): E {
  engines.push(engine);
  return engine;
}
const aGpuEngine = () => opened(new ChildEngine({ ...entry, env: process.env, log: aLog(), onProgress: () => undefined }));

const copy = ({ data, ...tensor }: Tensor): Tensor => ({ ...tensor, data: Array.isArray(data) ? [...data] : data.slice() });
const byName = (tensors: readonly Tensor[]) => tensors.toSorted((a, b) => a.name.localeCompare(b.name));
/** nvidia-smi sees no process from inside a container or a virtual machine; who has opened the device does. */
const enginesOnGpu = () =>
  readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && textOf(`/proc/${pid}/cmdline`).includes(program) && holdsGpu(pid));

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // It has ended meanwhile.
  }
}

function holdsGpu(pid: string): boolean {
  const open = spawnSync('ls', ['-l', `/proc/${pid}/fd`], { encoding: 'utf8' }).stdout;
  return /\/dev\/nvidia\d/.test(open) && textOf(`/proc/${pid}/maps`).includes('onnxruntime_providers_cuda');
}

describeWith('cuda', 'the Python engine on a GPU', () => {
  test('is probed: CUDA is proven, and counts as the engine for GPU variants', async () => {
    const [probed] = await probeEngines([entry], process.env, quiet);
    expect(probed!.hello?.providers).toContain('cuda');
    const { provider, shortfall } = await aGpuEngine().load({ path: file('agent/src/runner/fixtures/colour.onnx'), ...onGpu });
    expect([provider, shortfall]).toEqual(['cuda', undefined]);
  }, 120_000);

  test('passes each shipped release by its golden set, and turns the faulty one away', async () => {
    const verdicts: Record<string, string> = {};
    for (const version of await shippedVersions()) {
      const engine = aGpuEngine();
      const order = { ...(await workshop.shippedRelease(version)), providers: [...onGpu.providers] };
      verdicts[version] = await preflight(order, engine, () => engine.memory().peakRssBytes).then(
        ({ goldenCases, top1 }) => `${goldenCases} cases, top-1 ${top1}`,
        (error: { failure: string }) => error.failure,
      );
    }
    expect(verdicts).toMatchObject({ '1.0.0': '8 cases, top-1 1', '1.2.0': '8 cases, top-1 1', '1.3.0': 'golden' });
  }, 240_000);

  test.each([
    ['presence-detector/blazeface-front-128', {}],
    ['speech-activity/silero-vad-6', { input: [1, 256], state: [2, 1, 128] }],
  ])(
    'gives what the built-in engine gives for %s, but for rounding',
    async (name, shapes: Record<string, number[]>) => {
      const [gpu, cpu] = [aGpuEngine(), opened(new OrtEngine())];
      const path = file(`agent/examples/${name}.onnx`);
      const { inputs, provider } = await gpu.load({ path, ...onGpu });
      expect(provider).toBe('cuda');
      await cpu.load({ path, intraOpThreads: 1 });
      const feeds = inputs.map((input) => probe({ ...input, shape: shapes[input.name] ?? input.shape }, 7));
      const theirs = byName((await gpu.run(feeds.map(copy))).outputs);
      const ours = byName((await cpu.run(feeds.map(copy))).outputs);
      const relative = theirs.flatMap((tensor, i) => {
        const expected = numbersOf(ours[i]!);
        return Array.from(
          numbersOf(tensor),
          (value, at) => Math.abs(value - expected[at]!) / Math.max(1, Math.abs(expected[at]!)),
        );
      });
      expect(relative.length).toBeGreaterThan(100);
      // Convolutions run in TF32 on the GPU: ten bits of mantissa.
      expect(Math.max(...relative)).toBeLessThan(1e-2);
    },
    120_000,
  );

  test('serves a slot by a GPU variant, swaps, and frees the GPU when it ends', async () => {
    const probed = await probeEngines([entry], process.env, quiet);
    const source = { directory: file('test/models/photographs'), perSecond: 10, then: 'repeat' } as const;
    const slots = { inspection: { listen: { http: { host: '127.0.0.1', port: 0 } }, source } };
    const device = await FleetOfOne.make({
      runnerPath: file('agent/dist/runner/main.js'),
      slots,
      engines: new DeviceEngines(probed, ['cuda', 'cpu']),
      capability: { ...usualCapability, providers: ['cuda', 'cpu'] },
      limits: { maxComputeMs: 2000, maxRssBytes: 8e9 },
      deadlines: {},
    });
    try {
      for (const version of ['1.0.0', '1.2.0']) {
        const order = device.assign(publishFolder(device.server, `${releases}/${version}`, ['cuda', 'cpu']));
        await device.reported(order, 'committed', 120_000);
        await device.serves(order.manifestDigest);
      }
      expect(enginesOnGpu()).not.toEqual([]);
      expect(device.alarms).toEqual([]);
    } finally {
      await device.end();
    }
    await expect.poll(enginesOnGpu, { timeout: 20_000 }).toEqual([]);
  }, 240_000);
});
