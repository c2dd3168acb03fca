import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test } from 'vitest';
import { Datatype } from '@flotilla/protocol/device';
import { aLog, eventually } from '../../fixtures/eventually.js';
import { Workshop } from '../fixtures/orders.js';
import { type Tensor, emptyData, numbersOf } from '../tensor.js';
import { ChildEngine, type ChildEngineOptions } from './child-engine.js';
import { ModelRefused } from './engine.js';

const program = fileURLToPath(new URL('../../engine-protocol/fixtures/small-engine.mjs', import.meta.url));
const workshop = new Workshop();
const log = aLog();
const engines: ChildEngine[] = [];
afterEach(async () => {
  for (const engine of engines.splice(0)) engine.abandon();
  log.lines.splice(0);
  await workshop.clear();
});

function anEngine(fault?: string, overrides: Partial<ChildEngineOptions> = {}): ChildEngine {
  const env = { ...process.env, ...(fault && { FAULT: fault }) };
  const engine = new ChildEngine({ name: 'small', command: [process.execPath, program], env, log, ...overrides });
  engines.push(engine);
  return engine;
}
const vector = { name: 'x', type: 'FP32', shape: [-1] };
async function aModel(op: 'identity' | 'sum', inputs: object[] = [vector]): Promise<string> {
  const outputs = inputs.map((input, i) => ({ ...input, name: `y${i}` }));
  const path = join(await workshop.folder(), 'model.json');
  await writeFile(path, JSON.stringify({ op, inputs, outputs }));
  return path;
}
const load = async (engine: ChildEngine, path?: string) =>
  engine.load({ path: path ?? (await aModel('sum')), intraOpThreads: 1, providers: ['cuda', 'cpu'] });
const numbers = (...values: number[]): Tensor => ({
  name: 'x',
  type: 'FP32',
  shape: [values.length],
  data: new Float32Array(values),
});

test('loads, warms up, runs and tells time and memory; providers are those that are really used', async () => {
  const engine = anEngine();
  const model = await load(engine);
  expect(model).toMatchObject({ inputs: [vector], outputs: [{ name: 'y0' }], provider: 'cpu' });
  expect(model.shortfall).toBe('cuda was asked for, and the session has cpu');
  await engine.warm(2, model.inputs);
  const { outputs, wallUs, cpuUs } = await engine.run([numbers(1, 2, 3.5)]);
  expect(outputs).toEqual([{ name: 'y0', type: 'FP32', shape: [1], data: new Float32Array([6.5]) }]);
  expect([wallUs, cpuUs]).toEqual([10, 9]);
  expect(engine.stats()).toEqual({ runs: 1, failures: 0, inFlight: 0, runningMs: 0 });
  // Its own report adds what it holds on the accelerator.
  const { rssBytes, peakRssBytes } = await eventually(() => (engine.memory().rssBytes > 20e6 ? engine.memory() : undefined));
  expect(rssBytes).toBeLessThan(500e6);
  expect(peakRssBytes).toBeGreaterThanOrEqual(rssBytes - 5e6);
  await engine.close();
});

test('every datatype goes through unchanged: text, a scalar and nothing at all included', async () => {
  const engine = anEngine();
  const tensors = Datatype.options.flatMap((type): Tensor[] => {
    const data = emptyData(type, 3);
    if (Array.isArray(data)) data.splice(0, 3, 'ä日', '', 'z'.repeat(70));
    else new Uint8Array(data.buffer).forEach((_, i, bytes) => (bytes[i] = type === 'BOOL' ? i % 2 : (i * 37) % 251));
    const scalar = Array.isArray(data) ? ['one'] : data.slice(0, 1);
    return [
      { name: `${type}-three`, type, shape: [3, 1], data },
      { name: `${type}-scalar`, type, shape: [], data: scalar },
      { name: `${type}-none`, type, shape: [0, 4], data: emptyData(type, 0) },
    ];
  });
  await load(
    engine,
    await aModel(
      'identity',
      tensors.map(({ name, type, shape }) => ({ name, type, shape })),
    ),
  );
  const { outputs } = await engine.run(tensors);
  expect(outputs.map(({ type, shape, data }) => ({ type, shape, data }))).toEqual(
    tensors.map(({ type, shape, data }) => ({ type, shape, data })),
  );
});

test('megabytes go through whole, and runs asked for at once are answered each with its own', async () => {
  const engine = anEngine();
  await load(engine, await aModel('identity'));
  const data = new Float32Array(1_000_000).map((_, i) => i);
  const runs = await Promise.all(
    [1, 2, 3].map((n) => engine.run([{ ...numbers(), shape: [1_000_000], data: data.map((x) => x * n) }])),
  );
  expect(runs.map(({ outputs }) => numbersOf(outputs[0]!)[999_999])).toEqual([999_999, 1_999_998, 2_999_997]);
});

test('a view of a larger buffer sends its own bytes only', async () => {
  const engine = anEngine();
  await load(engine, await aModel('identity'));
  const { outputs } = await engine.run([{ ...numbers(), shape: [2], data: new Float32Array([1, 2, 3, 4]).subarray(1, 3) }]);
  expect([...(numbersOf(outputs[0]!) as Float32Array)]).toEqual([2, 3]);
});

test('a model that it does not take is the model’s fault, and it goes on', async () => {
  const engine = anEngine();
  await expect(load(engine, '/nowhere/model.json')).rejects.toThrow(ModelRefused);
  await expect(load(engine)).resolves.toMatchObject({ provider: 'cpu' });
});

test('a run that it refuses is a failure, and it goes on', async () => {
  const engine = anEngine('refuses-runs');
  await load(engine);
  await expect(engine.run([numbers(1)])).rejects.toThrow('invalid dimensions');
  expect(engine.stats()).toEqual({ runs: 0, failures: 1, inFlight: 0, runningMs: 0 });
});

test('compiling is told while it lasts', async () => {
  const told: object[] = [];
  const engine = anEngine('compiles', { onProgress: (progress) => told.push(progress) });
  await load(engine);
  expect(told).toEqual([expect.objectContaining({ phase: 'compiling', fraction: 0.5, what: 'layer 3' })]);
});

test('it ends by itself when the other end of its socket is gone', async () => {
  const engine = anEngine();
  await load(engine);
  await engine.close();
  await expect(engine.run([numbers(1)])).rejects.toThrow(/exited with 0/);
});

describe('what it may do wrong costs this engine only, and is told with its last words', () => {
  test.each([
    ['dies', /ended by SIGSEGV/],
    ['exits-with-words', /exited with 7; its last words: out of device memory/],
    ['closes', /exited with 0|closed its socket/],
    ['garbage', /broke the protocol: a frame begins with 48545450/],
    ['head-too-long', /broke the protocol: a frame's head is said to have 2147483648 bytes/],
    ['payload-too-long', /broke the protocol: a payload is said to have 1099511627776 bytes/],
    ['lying-length', /y0: FP32 \[1\] takes 4 bytes, 8 are said to be there/],
    ['lying-offset', /do not lie in a payload of 64/],
    ['unasked', /"warmed" answers 4711, which was not asked/],
  ])('in a run: %s', async (fault, reason) => {
    const engine = anEngine(fault);
    const death = Promise.withResolvers<Error>();
    engine.onDeath(death.resolve);
    await load(engine);
    await expect(engine.run([numbers(1)])).rejects.toThrow(reason);
    expect((await death.promise).message).toMatch(/^engine "small"/);
    await expect(engine.run([numbers(1)])).rejects.toThrow(/^engine "small"/);
    expect(engine.stats().inFlight).toBe(0);
  });

  test.each([
    ['silent', { helloMs: 300 }, /did not answer hello within 0.3 s/],
    ['other-protocol', {}, /speaks protocol 2, this side speaks 1/],
    ['refuses-version', {}, /I speak protocol 2 only/],
    ['other-frames', {}, /a frame of version 2 came, this side speaks 1/],
    ['hangs', { loadMs: 300 }, /its model was not ready within 0.3 s/],
  ])('before it is loaded: %s', async (fault, overrides, reason) => {
    await expect(load(anEngine(fault, overrides))).rejects.toThrow(reason);
  });

  test('a command that is not there', async () => {
    await expect(load(anEngine(undefined, { command: ['/nowhere/engine'] }))).rejects.toThrow(/could not be started: .*ENOENT/);
  });

  test('noise on its outputs is logged and harms nothing', async () => {
    const engine = anEngine(undefined, {
      command: ['/bin/sh', '-c', 'echo loading libraries; echo warning: no GPU >&2; exec "$0" "$1"', process.execPath, program],
    });
    await load(engine);
    await eventually(() => log.lines.some(({ message }) => message === 'engine: warning: no GPU'));
    await expect(engine.run([numbers(4)])).resolves.toMatchObject({ outputs: [{ data: new Float32Array([4]) }] });
  });

  test('it may be ended while it computes', async () => {
    const engine = anEngine('hangs');
    const loading = load(engine);
    await eventually(() => engine.memory().rssBytes > 0);
    engine.abandon();
    await expect(loading).rejects.toThrow(/was ended: it is no longer needed/);
  });
});
