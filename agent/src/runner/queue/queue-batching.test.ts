import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { EngineRun } from '../engine/engine.js';
import { InferenceQueue, type Priority, type QueueLimits } from './queue.js';
import type { Tensor } from '../tensor.js';

/** Rows that hold who asked, so that an answer can be told from another's. */
const ask = (name: number, rows = 1, width = 1): Tensor[] => [
  { name: 'x', type: 'FP32', shape: [rows, width], data: new Float32Array(rows * width).fill(name) },
];
const answered = ({ outputs }: EngineRun) => [...new Set(Array.from(outputs[0]!.data as Float32Array))];
const settled = () => new Promise(setImmediate);

/** An engine on a clock of its own: a run takes a fixed part and one for each row, and answers what it was asked. */
class Works {
  ms = 0;
  readonly sizes: number[] = [];
  running = 0;
  runningMax = 0;
  readonly #due: { at: number; then: () => void }[] = [];

  readonly now = () => this.ms;
  readonly later = (ms: number, then: () => void) => {
    const timer = { at: this.ms + ms, then };
    this.#due.push(timer);
    return () => void this.#due.splice(this.#due.indexOf(timer), this.#due.includes(timer) ? 1 : 0);
  };

  readonly run = async (inputs: readonly Tensor[]): Promise<EngineRun> => {
    const rows = inputs[0]!.shape[0]!;
    this.sizes.push(rows);
    this.runningMax = Math.max(this.runningMax, ++this.running);
    await new Promise<void>((resolve) => this.later(10 + rows, resolve));
    this.running -= 1;
    return { outputs: inputs.map((input) => ({ ...input, name: 'y' })), wallUs: 1, cpuUs: 1 };
  };

  /** To the next thing that is due. */
  async step(): Promise<boolean> {
    await settled();
    const next = this.#due.toSorted((a, b) => a.at - b.at)[0];
    if (!next) return false;
    this.#due.splice(this.#due.indexOf(next), 1);
    this.ms = Math.max(this.ms, next.at);
    next.then();
    await settled();
    return true;
  }

  async finish(): Promise<void> {
    while (await this.step());
  }

  queue(limits: Partial<QueueLimits> = {}): InferenceQueue {
    const batching = { maxRows: 4, delayMs: 0 };
    return new InferenceQueue(this.run, { length: 1000, bytes: 1e6, batching, ...limits }, this.now, this.later);
  }
}

test('what comes while one is computed is computed together', async () => {
  const works = new Works();
  const queue = works.queue();
  const answers = Promise.all([1, 2, 3, 4, 5, 6].map((name) => queue.submit(ask(name))));
  await works.finish();
  expect((await answers).map(answered)).toEqual([[1], [2], [3], [4], [5], [6]]);
  expect(works.sizes).toEqual([1, 4, 1]);
});

test('as many run at once as the engine takes', async () => {
  const works = new Works();
  const queue = works.queue({ concurrency: 2, batching: undefined });
  const answers = Promise.all([1, 2, 3, 4].map((name) => queue.submit(ask(name))));
  await works.finish();
  await answers;
  expect(works.runningMax).toBe(2);
  expect(works.ms).toBe(22);
});

test('what must stay alone does', async () => {
  const works = new Works();
  const queue = works.queue();
  const answers = Promise.all([1, 2, 3, 4].map((name) => queue.submit(ask(name), { alone: name === 3 })));
  await works.finish();
  await answers;
  expect(works.sizes).toEqual([1, 2, 1]);
});

describe('a delay', () => {
  const batching = { maxRows: 4, delayMs: 5 };

  test('lets company come, and ends when the batch is full', async () => {
    const works = new Works();
    const queue = works.queue({ batching });
    const answers = [1, 2].map((name) => queue.submit(ask(name)));
    await settled();
    expect(works.sizes).toEqual([]);
    await works.step();
    expect([works.ms, works.sizes]).toEqual([5, [2]]);
    await works.finish();
    answers.push(...[3, 4, 5, 6].map((name) => queue.submit(ask(name))));
    expect(works.sizes).toEqual([2, 4]);
    await works.finish();
    await Promise.all(answers);
  });

  test('is given up by one who asks alone, and taken up again when two come at once', async () => {
    const works = new Works();
    const queue = works.queue({ batching });
    const alone = async (name: number) => {
      const [from, answer] = [works.ms, queue.submit(ask(name))];
      await works.finish();
      await answer;
      return works.ms - from;
    };
    expect([await alone(1), await alone(2), await alone(3), await alone(4)]).toEqual([16, 16, 16, 11]);
    const crowd = Promise.all([5, 6, 7].map((name) => queue.submit(ask(name))));
    await works.finish();
    await crowd;
    expect(await alone(8)).toBe(16);
  });
});

test('at five times its capacity a queue that batches answers as many as it can, each in time', async () => {
  const works = new Works();
  const queue = works.queue();
  const outcomes = { inTime: 0, late: 0, refused: 0 };
  const asks: Promise<void>[] = [];
  const within = 60;
  for (let name = 0; name < 20; name++) asks.push(queue.submit(ask(name)).then(() => undefined));
  await works.finish();
  const from = works.ms;
  // Batches of four take 14 ms: about twenty for each of them are five times what can be done.
  while (works.ms - from < 2000) {
    const asked = works.ms;
    for (let i = 0; i < 20; i++)
      asks.push(
        queue.submit(ask(i), { timeoutMs: within }).then(
          () => void (works.ms - asked <= within ? (outcomes.inTime += 1) : (outcomes.late += 1)),
          () => void (outcomes.refused += 1),
        ),
      );
    await works.step();
  }
  await works.finish();
  await Promise.all(asks);
  expect(outcomes.late).toBe(0);
  expect(outcomes.inTime).toBeGreaterThanOrEqual(0.9 * (2000 / 14) * 4);
  expect(outcomes.refused).toBeGreaterThan(outcomes.inTime);
});

test('whatever comes: each is answered once with its own rows, or refused, and nothing larger than a batch runs but what came so', async () => {
  const request = fc.record({
    rows: fc.integer({ min: 1, max: 6 }),
    width: fc.integer({ min: 1, max: 2 }),
    priority: fc.constantFrom<Priority>(1, 2, 3),
    timeoutMs: fc.constantFrom(Infinity, 20, 60),
    steps: fc.integer({ min: 0, max: 2 }),
  });
  const options = fc.record({
    concurrency: fc.integer({ min: 1, max: 3 }),
    length: fc.integer({ min: 1, max: 10 }),
    batching: fc.record({ maxRows: fc.integer({ min: 1, max: 5 }), delayMs: fc.constantFrom(0, 7) }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(request, { maxLength: 25 }), options, async (requests, limits) => {
      const works = new Works();
      const queue = works.queue(limits);
      const answers: Promise<string>[] = [];
      for (const [name, { rows, width, steps, ...submission }] of requests.entries()) {
        const from = works.ms;
        answers.push(
          queue.submit(ask(name, rows, width), submission).then(
            (run) => {
              expect(answered(run)).toEqual([name]);
              expect(run.outputs[0]!.shape).toEqual([rows, width]);
              return 'answered';
            },
            (error: Error) => {
              expect(error.name).toBe('Overloaded');
              expect(works.ms - from).toBeGreaterThanOrEqual(0);
              return 'refused';
            },
          ),
        );
        for (let i = 0; i < steps; i++) await works.step();
      }
      await works.finish();
      const outcomes = await Promise.all(answers);
      await queue.idle();
      expect(queue.depth).toBe(0);
      expect(works.runningMax).toBeLessThanOrEqual(limits.concurrency);
      const asked = new Set(requests.map(({ rows }) => rows));
      for (const size of works.sizes) expect(size <= limits.batching.maxRows || asked.has(size)).toBe(true);
      expect(works.sizes.reduce((sum, size) => sum + size, 0)).toBe(
        requests.reduce((sum, { rows }, i) => sum + (outcomes[i] === 'answered' ? rows : 0), 0),
      );
    }),
    { numRuns: 60 },
  );
});
