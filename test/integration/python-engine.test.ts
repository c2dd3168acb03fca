import { OrtEngine } from '@flotilla/agent/runner/engine/ort-engine';
import { ChildEngine } from '@flotilla/agent/runner/engine/child-engine';
import type { Engine } from '@flotilla/agent/runner/engine/engine';
import { aLog } from '@flotilla/agent/fixtures/eventually';
import { shippedVersions, Workshop } from '@flotilla/agent/runner/fixtures/orders';
import { preflight } from '@flotilla/agent/runner/preflight';
import { probe } from '@flotilla/agent/runner/probe';
import { emptyData, numbersOf, type Tensor } from '@flotilla/agent/runner/tensor';
import { DeviceEngines, probeEngines } from '@flotilla/agent/supervisor/engines';
import { FleetOfOne, quiet } from '@flotilla/agent/supervisor/fixtures/fleet-of-one';
import { publishFolder, releases } from '@flotilla/agent/supervisor/fixtures/shipped-releases';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from 'vitest';
import { describeWith, pythonProgram } from '../support/required.js';

const file = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const program = file('agent/engines/python/flotilla_engine.py');
const networks = file('agent/examples');
const workshop = new Workshop();
const engines: Engine[] = [];
afterEach(async () => {
  await Promise.all(engines.splice(0).map((engine) => engine.close()));
  await workshop.clear();
});

function anEngine(onProgress: (told: object) => void = () => undefined, env: NodeJS.ProcessEnv = {}): ChildEngine {
  const command = [pythonProgram, program];
  const engine = new ChildEngine({ name: 'python', command, env: { ...process.env, ...env }, log: aLog(), onProgress });
  engines.push(engine);
  return engine;
}

function theBuiltIn(): OrtEngine {
  const engine = new OrtEngine();
  engines.push(engine);
  return engine;
}

const childrenOf = (pid: number) =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);
const isRunner = (pid: number) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('dist/runner/main.js');

/** Every bit pattern that is a value of the type, and text beyond ASCII. */
function filled({ name, type, shape }: Parameters<typeof probe>[0], rows: number): Tensor {
  const whole = shape.map((dimension) => (dimension < 0 ? rows : dimension));
  const data = emptyData(
    type,
    whole.reduce((product, dimension) => product * dimension, 1),
  );
  if (Array.isArray(data)) data.forEach((_, i) => (data[i] = ['', 'ä', '日本語', 'z'.repeat(99)][i % 4]!));
  else if (type.startsWith('FP') && type !== 'FP16') data.forEach((_, i) => (data[i] = (i - 1.5) as never));
  else
    new Uint8Array(data.buffer).forEach((_, i, bytes) => (bytes[i] = type === 'BOOL' ? i % 2 : type === 'FP16' ? 0x3c : 200 + i));
  return { name, type, shape: whole, data };
}
const copy = ({ data, ...tensor }: Tensor): Tensor => ({ ...tensor, data: Array.isArray(data) ? [...data] : data.slice() });
const byName = (tensors: readonly Tensor[]) => tensors.toSorted((a, b) => a.name.localeCompare(b.name));

async function sameFromBoth(path: string, rows: number) {
  const [python, node] = [anEngine(), theBuiltIn()];
  const model = { path, intraOpThreads: 1 };
  const [theirs, ours] = [await python.load(model), await node.load(model)];
  expect({ inputs: theirs.inputs, outputs: theirs.outputs }).toEqual({ inputs: ours.inputs, outputs: ours.outputs });
  const inputs = ours.inputs.map((input) => filled(input, rows));
  const answers = [await python.run(inputs.map(copy)), await node.run(inputs.map(copy))];
  return answers.map(({ outputs }) => byName(outputs));
}

describeWith('python', 'the Python engine', () => {
  test.each(['kinds', 'integers'])(
    'hands %s back byte for byte as the built-in engine does, zero rows included',
    async (name) => {
      for (const rows of [3, 1, 0]) {
        const [theirs, ours] = await sameFromBoth(file(`agent/src/runner/fixtures/${name}.onnx`), rows);
        expect(theirs).toEqual(ours);
      }
    },
  );

  test('passes each shipped release by its golden set, and turns the faulty one away', async () => {
    const verdicts: Record<string, string> = {};
    for (const version of await shippedVersions()) {
      const engine = anEngine();
      const order = await workshop.shippedRelease(version);
      verdicts[version] = await preflight(order, engine, () => engine.memory().peakRssBytes).then(
        ({ goldenCases, top1, peakRssBytes }) => {
          expect(peakRssBytes).toBeGreaterThan(20e6);
          return `${goldenCases} cases, top-1 ${top1}`;
        },
        (error: { failure: string }) => error.failure,
      );
    }
    expect(verdicts).toMatchObject({ '1.0.0': '8 cases, top-1 1', '1.2.0': '8 cases, top-1 1', '1.3.0': 'golden' });
  }, 120_000);

  test.each([
    ['presence-detector/blazeface-front-128', {}],
    ['speech-activity/silero-vad-6', { input: [1, 256], state: [2, 1, 128] }],
  ])('gives what the built-in engine gives for %s, but for rounding', async (name, shapes: Record<string, number[]>) => {
    const [python, node] = [anEngine(), theBuiltIn()];
    const model = { path: `${networks}/${name}.onnx`, intraOpThreads: 1 };
    const { inputs } = await python.load(model);
    await node.load(model);
    const feeds = inputs.map((input) => probe({ ...input, shape: shapes[input.name] ?? input.shape }, 7));
    const theirs = byName((await python.run(feeds.map(copy))).outputs);
    const ours = byName((await node.run(feeds.map(copy))).outputs);
    expect(theirs.map(({ name: n, type, shape }) => [n, type, shape])).toEqual(
      ours.map(({ name: n, type, shape }) => [n, type, shape]),
    );
    const differences = theirs.flatMap((tensor, i) => {
      const expected = numbersOf(ours[i]!);
      return Array.from(numbersOf(tensor), (value, at) => Math.abs(value - expected[at]!));
    });
    expect(differences.length).toBeGreaterThan(100);
    expect(Math.max(...differences)).toBeLessThan(1e-3);
  });

  test('tells the providers that it really uses, its CPU time, and that it compiles only where it does', async () => {
    const told: object[] = [];
    const engine = anEngine((progress) => told.push(progress), { CUDA_VISIBLE_DEVICES: '' });
    const path = file('agent/src/runner/fixtures/slow.onnx');
    const { provider, shortfall } = await engine.load({ path, intraOpThreads: 1, providers: ['cuda', 'cpu'] });
    expect(provider).toBe('cpu');
    expect(shortfall).toBe('cuda was asked for, and the session has cpu');
    const { wallUs, cpuUs } = await engine.run([
      { name: 'images', type: 'FP32', shape: [1, 3, 8, 8], data: new Float32Array(192).fill(0.1) },
    ]);
    expect(cpuUs).toBeGreaterThan(1000);
    expect(wallUs).toBeGreaterThan(1000);
    expect(told).toEqual([]);
  });

  test('refuses a file that is no model, and a wrong shape, and goes on', async () => {
    const engine = anEngine();
    const path = file('agent/src/runner/fixtures/colour.onnx');
    await expect(engine.load({ path: program, intraOpThreads: 1 })).rejects.toThrow(/Protobuf parsing failed|INVALID_PROTOBUF/);
    await engine.load({ path, intraOpThreads: 1 });
    const images = (side: number): Tensor => ({
      name: 'images',
      type: 'FP32',
      shape: [1, 3, side, side],
      data: new Float32Array(3 * side * side).fill(1),
    });
    await expect(engine.run([images(4)])).rejects.toThrow(/[Ii]nvalid dimensions/);
    await expect(engine.run([images(8)])).resolves.toMatchObject({ outputs: [{ name: 'scores' }] });
  });

  test('serves a slot: probed, chosen for its provider, proven, swapped, and no other ONNX Runtime is loaded', async () => {
    const entry = { name: 'python', command: [pythonProgram, program], env: {}, providers: ['cpu' as const] };
    const engines = new DeviceEngines(await probeEngines([entry], process.env, quiet), ['cpu']);
    const source = { directory: file('test/models/photographs'), perSecond: 10, then: 'repeat' } as const;
    const slots = { inspection: { listen: { http: { host: '127.0.0.1', port: 0 } }, source } };
    const device = await FleetOfOne.make({ runnerPath: file('agent/dist/runner/main.js'), slots, engines, deadlines: {} });
    try {
      const first = device.assign(publishFolder(device.server, `${releases}/1.0.0`));
      await device.reported(first, 'committed', 60_000);
      const second = device.assign(publishFolder(device.server, `${releases}/1.2.0`));
      await device.reported(second, 'committed', 60_000);
      await device.serves(second.manifestDigest);
      const runners = childrenOf(process.pid).filter((pid) => isRunner(pid));
      expect(
        runners.flatMap(childrenOf).some((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('flotilla_engine.py')),
      ).toBe(true);
      for (const pid of runners) expect(readFileSync(`/proc/${pid}/maps`, 'utf8')).not.toContain('onnxruntime');
      expect(device.slots.runnerRssBytes()).toBeGreaterThan(100e6);
    } finally {
      await device.end();
    }
  }, 120_000);

  test('says what it is for when it is started by hand', () => {
    const { status, stderr } = spawnSync(pythonProgram, [program], { encoding: 'utf8' });
    expect(stderr).toContain('is started by flotilla-runner');
    expect(status).toBe(1);
  });
});
