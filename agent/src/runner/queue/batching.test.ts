import type { Manifest } from '@flotilla/protocol/device';
import { describe, expect, test } from 'vitest';
import { type BatchingOutcome, batchSizes } from './batching.js';
import { withEngine } from '../fixtures/with-engine.js';
import { loadRelease } from '../loading.js';
import { InferenceQueue } from './queue.js';
import { probe } from '../probe.js';
import { type Tensor, numbersOf } from '../tensor.js';

const { workshop, engine } = withEngine();

const mlp = {
  inputs: [{ name: 'x', type: 'FP32' as const, shape: [-1, 256] }],
  outputs: [{ name: 'scores', type: 'FP32' as const, shape: [-1, 16] }],
};
const row = (seed: number, rows = 1) => [probe(mlp.inputs[0]!, seed, rows)];
const bare = { preprocess: [], postprocess: [], batching: { maxBatch: 8, maxDelayMs: 0 } };

const load = async (model: string, overrides: Partial<Manifest>) =>
  loadRelease(await workshop.smallRelease(model, { ...bare, ...overrides }), engine());
/** Batching is on whatever the machine measures now. */
function queueOf(batching: BatchingOutcome | undefined = { on: true, maxRows: 8, delayMs: 0, gain: 2 }) {
  if (!batching?.on) throw new Error('it is off');
  return new InferenceQueue((inputs) => engine().run(inputs), { length: 1000, bytes: 1e9, batching });
}

test('the sizes that are warmed up', () => {
  expect(batchSizes(8)).toEqual([1, 2, 4, 8]);
  expect(batchSizes(12)).toEqual([1, 2, 4, 8, 12]);
});

describe('a release that declares batching', () => {
  test('is warmed up at each size, and batching is on where it pays', async () => {
    const { batching } = await load('mlp', mlp);
    expect(batching).toMatchObject({ on: true, maxRows: 8, delayMs: 0 });
    expect(batching!.gain).toBeGreaterThan(1.1);
  });

  test('is not batched where an answer depends on its neighbours', async () => {
    const four = {
      inputs: [{ name: 'x', type: 'FP32' as const, shape: [-1, 4] }],
      outputs: [{ name: 'scores', type: 'FP32' as const, shape: [-1, 4] }],
    };
    const { batching } = await load('neighbours', four);
    expect(batching).toEqual({ on: false, why: 'the output scores of a request is another one in a batch of 8 than alone' });
  });

  test('is not tried again where it was before: what was found then counts', async () => {
    const order = await workshop.smallRelease('mlp', { ...bare, ...mlp });
    const before = { on: false, gain: 0.7, why: 'it did not pay' };
    expect(await loadRelease({ ...order, batching: before }, engine())).toMatchObject({ batching: before });
    const { runs } = engine().stats();
    const again = await loadRelease({ ...order, batching: { on: true, gain: 3.5 } }, engine());
    expect(again.batching).toEqual({ on: true, gain: 3.5, maxRows: 8, delayMs: 0 });
    // Three of one, and one each of two, four and eight.
    expect(engine().stats().runs - runs).toBe(6);
  });

  test('is not batched where its first dimension is fixed', async () => {
    const { batching } = await load('colour', {});
    expect(batching).toMatchObject({ on: false, why: expect.stringContaining('images has the shape [1,3,8,8]: a batch needs') });
  });

  test('and one that does not is asked one by one', async () => {
    expect(await load('mlp', { ...mlp, batching: undefined })).toMatchObject({ batching: undefined });
  });
});

describe('requests in batches', () => {
  test('are answered each with its own, in fewer runs, and share the CPU time', async () => {
    await load('mlp', mlp);
    const alone = await Promise.all([1, 2, 3, 4, 5, 6].map((seed) => engine().run(row(seed, seed === 4 ? 3 : 1))));
    const queue = queueOf();
    const runs = await Promise.all([1, 2, 3, 4, 5, 6].map((seed) => queue.submit(row(seed, seed === 4 ? 3 : 1))));
    expect(queue.executions).toBe(2);
    for (const [i, { outputs }] of runs.entries()) {
      const expected = alone[i]!.outputs[0]!;
      expect(outputs[0]!.shape).toEqual(expected.shape);
      const values = Array.from(numbersOf(outputs[0]!));
      for (const [j, value] of Array.from(numbersOf(expected)).entries()) expect(values[j]).toBeCloseTo(value, 4);
    }
    const [, second, , fourth] = runs;
    expect(Math.abs(fourth!.cpuUs - 3 * second!.cpuUs)).toBeLessThanOrEqual(3);
    expect(fourth!.wallUs).toBe(second!.wallUs);
  });

  test('that can not be computed together are not: a failing one is told so, the others are answered', async () => {
    const lookup = {
      inputs: [{ name: 'index', type: 'INT64' as const, shape: [-1, 1] }],
      outputs: [{ name: 'scores', type: 'FP32' as const, shape: [-1, 1] }],
    };
    await load('lookup', lookup);
    const queue = queueOf();
    const ask = (index: number): Tensor[] => [{ ...lookup.inputs[0]!, shape: [1, 1], data: new BigInt64Array([BigInt(index)]) }];
    const first = queue.submit(ask(0));
    const others = await Promise.allSettled([1, 9, 2].map((index) => queue.submit(ask(index))));
    await first;
    expect(others.map((answer) => (answer.status === 'fulfilled' ? numbersOf(answer.value.outputs[0]!)[0] : 'refused'))).toEqual([
      11,
      'refused',
      12,
    ]);
    expect(others[1]).toMatchObject({ reason: { message: expect.stringContaining('indices element out of data bounds') } });
  });
});
