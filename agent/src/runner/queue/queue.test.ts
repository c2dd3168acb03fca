import { describe, expect, test } from 'vitest';
import type { EngineRun } from '../engine/engine.js';
import { InferenceQueue, Overloaded } from './queue.js';
import type { Tensor } from '../tensor.js';

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

describe('short runs are handed to the engine one ahead', () => {
  async function aQueueThatKnows(runMs: number) {
    const clock = { ms: 0 };
    const { asked, run } = aSlowEngine();
    const queue = new InferenceQueue(run, { length: 8, bytes: 1000, aheadBelowMs: 10 }, () => clock.ms);
    const first = queue.submit(input());
    clock.ms = runMs;
    asked.shift()!.finish();
    await first;
    await new Promise(setImmediate);
    return { clock, asked, queue };
  }

  test('and no more than one', async () => {
    const { asked, queue } = await aQueueThatKnows(9);
    for (const bytes of [1, 2, 3]) void queue.submit(input(bytes));
    expect(asked.map(({ bytes }) => bytes)).toEqual([1, 2]);
    asked[0]!.finish();
    await new Promise(setImmediate);
    expect(asked.map(({ bytes }) => bytes)).toEqual([1, 2, 3]);
  });

  test('but longer ones are not', async () => {
    const { asked, queue } = await aQueueThatKnows(10);
    for (const bytes of [1, 2]) void queue.submit(input(bytes));
    expect(asked.map(({ bytes }) => bytes)).toEqual([1]);
  });

  test('and what they wait for there is told as time in the queue', async () => {
    const { clock, asked, queue } = await aQueueThatKnows(5);
    void queue.submit(input());
    const second = queue.submit(input());
    clock.ms += 7;
    asked[0]!.finish();
    await new Promise(setImmediate);
    asked[1]!.finish();
    expect(await second).toMatchObject({ queueUs: 7000 });
  });

  test('not where its time would be over before its turn', async () => {
    const { clock, asked, queue } = await aQueueThatKnows(8);
    void queue.submit(input(1));
    void queue.submit(input(2));
    const third = queue.submit(input(3), { timeoutMs: 25 });
    clock.ms += 12;
    asked[0]!.finish();
    await expect(third).rejects.toThrow('its time was over before its turn');
    expect(asked.map(({ bytes }) => bytes)).toEqual([1, 2]);
  });
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

test('a caller that asks again as soon as it is answered is answered again', async () => {
  const queue = new InferenceQueue(async () => done, { length: 1, bytes: 1000 });
  for (let i = 0; i < 3; i++) await expect(queue.submit(input())).resolves.toMatchObject(done);
});

describe('urgency', () => {
  const small = { length: 2, bytes: 1000 };
  const settled = () => new Promise(setImmediate);

  test('the more urgent goes first, equals in order of arrival', async () => {
    const { asked, run } = aSlowEngine();
    const queue = new InferenceQueue(run, { length: 8, bytes: 1000 });
    const results = ([2, 3, 2, 1, 2] as const).map((priority, i) => queue.submit(input(i + 1), { priority }));
    for (let i = 0; i < results.length; i++) {
      asked[i]!.finish();
      await settled();
    }
    await Promise.all(results);
    expect(asked.map(({ bytes }) => bytes)).toEqual([1, 4, 3, 5, 2]);
  });

  test('in a full queue the newest of the least urgent gives way, and an equal does not', async () => {
    const { asked, run } = aSlowEngine();
    const queue = new InferenceQueue(run, small);
    const running = queue.submit(input(1));
    const first = queue.submit(input(2), { priority: 3 });
    const second = queue.submit(input(3), { priority: 3 });
    const urgent = queue.submit(input(4), { priority: 1 });
    await expect(second).rejects.toThrow('more urgent inferences took its place');
    await expect(queue.submit(input(5), { priority: 3 })).rejects.toThrow('the queue is full (2 inferences of 6 bytes wait)');
    for (const turn of [0, 1, 2]) {
      asked[turn]!.finish();
      await settled();
    }
    await Promise.all([running, urgent, first]);
    expect(asked.map(({ bytes }) => bytes)).toEqual([1, 4, 2]);
  });

  test('nobody is displaced for one that finds no room even so', async () => {
    const { asked, run } = aSlowEngine();
    const queue = new InferenceQueue(run, { length: 8, bytes: 10 });
    const results = [queue.submit(input(1)), queue.submit(input(9), { priority: 1 }), queue.submit(input(1), { priority: 3 })];
    await expect(queue.submit(input(5), { priority: 2 })).rejects.toThrow(Overloaded);
    for (const turn of [0, 1, 2]) {
      asked[turn]!.finish();
      await settled();
    }
    await Promise.all(results);
  });
});

describe('a timeout', () => {
  /** Each inference takes 10 ms of a clock that only moves with them. */
  const aClock = () => {
    let ms = 0;
    const run = async () => {
      await new Promise(setImmediate);
      ms += 10;
      return done;
    };
    return { run, now: () => ms, pass: (more: number) => (ms += more) };
  };
  const room = { length: 100, bytes: 1e6 };

  test('that the queue cannot keep is refused at once, with the time after which to come again', async () => {
    const { run, now } = aClock();
    const queue = new InferenceQueue(run, room, now);
    await queue.submit(input());
    const results = [1, 2, 3, 4].map(() => queue.submit(input()));
    expect(queue.depth).toBe(3);
    const refused = queue.submit(input(), { timeoutMs: 40 });
    await expect(refused).rejects.toThrow('an answer would take about 50 ms, and is wanted within 40 ms; try again later');
    await expect(refused).rejects.toMatchObject({ retryAfterMs: 40 });
    await expect(queue.submit(input(), { timeoutMs: 40, priority: 1 })).resolves.toMatchObject(done);
    await Promise.all(results);
  });

  test('shorter than an inference took once does not keep the queue from learning better', async () => {
    const { run, now, pass } = aClock();
    let slow = 1000;
    const queue = new InferenceQueue(() => (pass(slow), run()), room, now);
    await queue.submit(input());
    slow = 0;
    const impatient = () => queue.submit(input(), { timeoutMs: 50 });
    for (let i = 0; i < 20; i++) await impatient();
    const [running, waiting] = [impatient(), impatient()];
    await expect(running).resolves.toMatchObject(done);
    await expect(waiting).resolves.toMatchObject(done);
  });

  test('that is over when its turn comes costs no inference', async () => {
    const { run, now, pass } = aClock();
    let runs = 0;
    const queue = new InferenceQueue(() => ((runs += 1), run()), room, now);
    const first = queue.submit(input());
    const late = queue.submit(input(), { timeoutMs: 100 });
    pass(100);
    await expect(late).rejects.toThrow('it waited 110 ms, and its time was over before its turn');
    await first;
    expect(runs).toBe(1);
  });

  test('at five times its capacity the queue answers as many as it can, each in time', async () => {
    const { run, now } = aClock();
    const queue = new InferenceQueue(run, room, now);
    await queue.submit(input());
    const outcomes = { inTime: 0, late: 0, refused: 0 };
    const asks: Promise<void>[] = [];
    const from = now();
    while (now() - from < 2000) {
      const asked = now();
      for (let i = 0; i < 5; i++)
        asks.push(
          queue.submit(input(), { timeoutMs: 50 }).then(
            () => void (now() - asked <= 50 ? (outcomes.inTime += 1) : (outcomes.late += 1)),
            () => void (outcomes.refused += 1),
          ),
        );
      await new Promise(setImmediate);
    }
    await Promise.all(asks);
    expect(outcomes.late).toBe(0);
    expect(outcomes.inTime).toBeGreaterThanOrEqual(0.9 * 200);
    expect(outcomes.refused).toBeGreaterThan(outcomes.inTime);
  });
});
