import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { eventually } from '../../fixtures/eventually.js';
import { probe } from '../probe.js';
import { type Tensor, emptyData, numbersOf } from '../tensor.js';
import { ModelRefused } from './engine.js';
import { OrtEngine } from './ort-engine.js';

const fixture = (name: string) => fileURLToPath(new URL(`../fixtures/${name}.onnx`, import.meta.url));
const red = (): Tensor => {
  const data = new Float32Array(3 * 64);
  data.fill(1, 0, 64);
  return { name: 'images', type: 'FP32', shape: [1, 3, 8, 8], data };
};

let engine: OrtEngine;
beforeEach(() => {
  engine = new OrtEngine();
});
afterEach(() => engine.close());

test('a model says what it takes and gives', async () => {
  const { inputs, outputs } = await engine.load({ path: fixture('colour'), intraOpThreads: 1 });
  expect(inputs).toEqual([{ name: 'images', type: 'FP32', shape: [1, 3, 8, 8] }]);
  expect(outputs).toEqual([{ name: 'scores', type: 'FP32', shape: [1, 3] }]);
});

test.each([1, 2])('with %i threads a run answers and tells its wall and CPU time', async (intraOpThreads) => {
  await engine.load({ path: fixture('slow'), intraOpThreads });
  const { outputs, wallUs, cpuUs } = await engine.run([red()]);
  expect(outputs[0]).toMatchObject({ name: 'scores', type: 'FP32', shape: [1, 3] });
  expect(wallUs).toBeGreaterThan(1000);
  expect(cpuUs).toBeGreaterThan(1000);
});

test('inputs are given away, not copied', async () => {
  await engine.load({ path: fixture('colour'), intraOpThreads: 1 });
  const input = red();
  const { outputs } = await engine.run([input]);
  expect(input.data.length).toBe(0);
  expect(Array.from(numbersOf(outputs[0]!))).toEqual([8, 0, 0]);
});

test('runs asked for at once are answered each with its own', async () => {
  await engine.load({ path: fixture('colour'), intraOpThreads: 1 });
  const values = Array.from({ length: 20 }, (_, i) => i);
  const scaled = (factor: number): Tensor => ({ ...red(), data: new Float32Array(192).fill(factor) });
  const runs = await Promise.all(values.map((value) => engine.run([scaled(value)])));
  expect(runs.map(({ outputs }) => numbersOf(outputs[0]!)[0])).toEqual(values.map((value) => value * 8));
  expect(engine.stats()).toEqual({ runs: 20, failures: 0, inFlight: 0, runningMs: 0 });
});

test('every kind of tensor goes through unchanged, FP16 and a free dimension included', async () => {
  const { inputs } = await engine.load({ path: fixture('kinds'), intraOpThreads: 1 });
  expect(inputs[0]!.shape).toEqual([-1, 2]);
  const feeds = inputs.map(({ name, type }): Tensor => {
    const data = emptyData(type, 6);
    if (Array.isArray(data)) data.splice(0, 6, 'a', 'ä', '', '日本', 'e', 'f');
    else data[3] = (typeof data[3] === 'bigint' ? 1n : 1) as never;
    return { name, type, shape: [3, 2], data };
  });
  const expected = feeds.map(({ type, data }) => ({ type, data: Array.from(data as ArrayLike<unknown>) }));
  const { outputs } = await engine.run(feeds);
  expect(outputs.map(({ type, data }) => ({ type, data: Array.from(data as ArrayLike<unknown>) }))).toEqual(expected);
});

describe('several workers', () => {
  test('compute side by side, each with its own session', async () => {
    expect(engine.concurrency).toBe(1);
    const { inputs } = await engine.load({ path: fixture('slow'), intraOpThreads: 1, workers: 2 });
    expect(engine.concurrency).toBe(2);
    await engine.warm(1, inputs);
    // One after the other they would take at least the sum of what each says it took; on a busy machine one may be done before the other begins.
    await eventually(async () => {
      const began = performance.now();
      const both = await Promise.all([engine.run([red()]), engine.run([red()])]);
      const elapsedUs = (performance.now() - began) * 1000;
      return both[0].wallUs + both[1].wallUs > elapsedUs * 1.2;
    });
    const { runs, inFlight } = engine.stats();
    expect([runs % 2, inFlight]).toEqual([0, 0]);
  });

  test('how long the longest run has computed is told while it does, and loading is no run', async () => {
    const loading = engine.load({ path: fixture('slow'), intraOpThreads: 1 });
    expect(engine.stats()).toMatchObject({ inFlight: 1, runningMs: 0 });
    await loading;
    const running = engine.run([red()]);
    await new Promise(setImmediate);
    expect(engine.stats().runningMs).toBeGreaterThan(0);
    await running;
    expect(engine.stats().runningMs).toBe(0);
  });
});

test('a provider that this build does not have is told, and the CPU serves', async () => {
  const asked = await engine.load({ path: fixture('colour'), intraOpThreads: 1, providers: ['tensorrt', 'cuda', 'cpu'] });
  expect(asked).toMatchObject({
    provider: 'cpu',
    shortfall: expect.stringMatching(/^tensorrt: .+; cuda: .+/),
  });
  const other = new OrtEngine();
  expect(await other.load({ path: fixture('colour'), intraOpThreads: 1 })).not.toHaveProperty('shortfall');
  await other.close();
});

describe('what is refused', () => {
  test('a file that is no model', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'flotilla-engine-'));
    const path = join(folder, 'model.onnx');
    await writeFile(path, 'not a model at all');
    await expect(engine.load({ path, intraOpThreads: 1 })).rejects.toThrow(ModelRefused);
    await expect(engine.load({ path, intraOpThreads: 1 })).rejects.toThrow(/Protobuf parsing failed/);
    await rm(folder, { recursive: true });
  });

  test.each([
    ['bf16', "an input or output has the type BF16, which can't be served; put a Cast inside the graph"],
    ['fp8', "an input or output has the type FP8 (E4M3FN), which can't be served; put a Cast inside the graph"],
    ['sequence', 'y is a sequence, a map or optional; only tensors can be served'],
  ])('a model with %s at its boundary, and the way out is told', async (model, reason) => {
    const refused = engine.load({ path: fixture(model), intraOpThreads: 1 });
    await expect(refused).rejects.toThrow(ModelRefused);
    await expect(refused).rejects.toThrow(reason);
  });

  test('a file that is not there', async () => {
    await expect(engine.load({ path: '/nowhere/model.onnx', intraOpThreads: 1 })).rejects.toThrow(/doesn't exist|No such file/);
  });

  test('a run with another shape, and the engine goes on', async () => {
    const { inputs } = await engine.load({ path: fixture('colour'), intraOpThreads: 1 });
    const wrong = probe({ ...inputs[0]!, shape: [1, 3, 4, 4] }, 1);
    await expect(engine.run([wrong])).rejects.toThrow(/invalid dimensions/);
    expect(engine.stats()).toMatchObject({ failures: 1 });
    await expect(engine.run([red()])).resolves.toMatchObject({ outputs: [{ name: 'scores' }] });
  });

  test('closing while it computes', async () => {
    await engine.load({ path: fixture('slow'), intraOpThreads: 1 });
    const running = engine.run([red()]);
    await expect(engine.close()).rejects.toThrow(/still computes/);
    await running;
  });
});
