import { expect, test } from 'vitest';
import type { EngineRun } from './engine/engine.js';
import { InferenceQueue, Overloaded } from './queue.js';
import type { Tensor } from './tensor.js';

const input = (bytes = 4): Tensor[] => [{ name: 'x', type: 'UINT8', shape: [bytes], data: new Uint8Array(bytes) }];
const done: EngineRun = { outputs: [], wallUs: 1, cpuUs: 1 };

/** An engine that answers when told to, and records the order in which it was asked. */
function aSlowEngine() {
  const asked: { finish: () => void; fail: (error: Error) => void; bytes: number }[] = [];
  const run = (inputs: readonly Tensor[]) =>
    new Promise<EngineRun>((resolve, reject) =>
      asked.push({ finish: () => resolve(done), fail: reject, bytes: inputs[0]!.data.length }),
    );
  return { asked, run };
}

test('one runs at a time, in order of arrival', async () => {
  const { asked, run } = aSlowEngine();
  const queue = new InferenceQueue(run, { length: 8, bytes: 1000 });
  const results = [queue.submit(input(1)), queue.submit(input(2)), queue.submit(input(3))];
  for (let i = 0; i < 3; i++) {
    expect(asked.map(({ bytes }) => bytes)).toEqual([1, 2, 3].slice(0, i + 1));
    asked[i]!.finish();
    await results[i];
    await new Promise(setImmediate);
  }
});

test('the time in the queue is told', async () => {
  const { asked, run } = aSlowEngine();
  let ms = 0;
  const queue = new InferenceQueue(run, { length: 8, bytes: 1000 }, () => ms);
  const first = queue.submit(input());
  const second = queue.submit(input());
  ms = 7;
  asked[0]!.finish();
  expect(await first).toEqual({ ...done, queueUs: 0 });
  await new Promise(setImmediate);
  asked[1]!.finish();
  expect(await second).toEqual({ ...done, queueUs: 7000 });
});

test('a full queue refuses at once and takes again when there is room', async () => {
  const { asked, run } = aSlowEngine();
  const queue = new InferenceQueue(run, { length: 1, bytes: 1000 });
  const first = queue.submit(input());
  const second = queue.submit(input());
  await expect(queue.submit(input())).rejects.toThrow(Overloaded);
  asked[0]!.finish();
  await first;
  await new Promise(setImmediate);
  const third = queue.submit(input());
  asked[1]!.finish();
  await second;
  await new Promise(setImmediate);
  asked[2]!.finish();
  await expect(third).resolves.toMatchObject(done);
});

test('bytes are bounded too, but one large inference alone goes through', async () => {
  const { asked, run } = aSlowEngine();
  const queue = new InferenceQueue(run, { length: 8, bytes: 10 });
  const running = queue.submit(input(50));
  const waiting = queue.submit(input(50));
  await expect(queue.submit(input(1))).rejects.toThrow(/1 inferences of 50 bytes wait/);
  asked[0]!.finish();
  await running;
  await new Promise(setImmediate);
  asked[1]!.finish();
  await waiting;
});

test('a failing inference reaches its caller and the next one runs', async () => {
  const { asked, run } = aSlowEngine();
  const queue = new InferenceQueue(run, { length: 8, bytes: 1000 });
  const first = queue.submit(input());
  const second = queue.submit(input());
  asked[0]!.fail(new Error('a bad operator'));
  await expect(first).rejects.toThrow('a bad operator');
  await new Promise(setImmediate);
  asked[1]!.finish();
  await expect(second).resolves.toMatchObject(done);
});

test('the greatest depth is that of the span since it was last asked for', async () => {
  const { asked, run } = aSlowEngine();
  const queue = new InferenceQueue(run, { length: 8, bytes: 1000 });
  const results = [queue.submit(input()), queue.submit(input()), queue.submit(input())];
  expect(queue.takeDepthMax()).toBe(2);
  for (let i = 0; i < 3; i++) {
    asked[i]!.finish();
    await results[i];
    await new Promise(setImmediate);
  }
  expect(queue.takeDepthMax()).toBe(2);
  expect(queue.takeDepthMax()).toBe(0);
});

test('idle waits for what waits and what runs', async () => {
  const { asked, run } = aSlowEngine();
  const queue = new InferenceQueue(run, { length: 8, bytes: 1000 });
  await queue.idle();
  const results = [queue.submit(input()), queue.submit(input())];
  let idle = false;
  const waited = queue.idle().then(() => (idle = true));
  asked[0]!.finish();
  await results[0];
  await new Promise(setImmediate);
  expect(idle).toBe(false);
  asked[1]!.finish();
  await waited;
  await results[1];
});
