import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { EngineRun } from '../engine/engine.js';
import type { Tensor } from '../tensor.js';
import { type Asker, InferenceQueue, type Priority } from './queue.js';

/** Each input holds its own number, so that what ran can be told. */
const ask = (name: number): Tensor[] => [{ name: 'x', type: 'FP32', shape: [1, 1], data: Float32Array.of(name) }];

class Client implements Asker {
  isGone = false;
  readonly #listeners = new Set<() => void>();
  get listeners(): number {
    return this.#listeners.size;
  }
  onGone(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
  leave(): void {
    this.isGone = true;
    for (const tell of this.#listeners) tell();
  }
}

/** Runs what it is given when it is told to. */
class Works {
  readonly ran: number[] = [];
  readonly #due: (() => void)[] = [];
  readonly run = (inputs: readonly Tensor[]) =>
    new Promise<EngineRun>((resolve) => {
      this.ran.push(...(inputs[0]!.data as Float32Array));
      this.#due.push(() => resolve({ outputs: [{ ...inputs[0]!, name: 'y' }], wallUs: 1, cpuUs: 1 }));
    });
  async finishOne(): Promise<boolean> {
    const done = this.#due.shift();
    done?.();
    await new Promise(setImmediate);
    return done !== undefined;
  }
}

const outcomeOf = (run: Promise<unknown>) =>
  run.then(
    () => 'answered',
    (error: Error) => error.name,
  );

test('who is gone already, or leaves while it waits, is not computed for; who leaves while it is computed for is', async () => {
  const works = new Works();
  const queue = new InferenceQueue(works.run, { length: 8, bytes: 1000 });
  const clients = [0, 1, 2].map(() => new Client());
  const outcomes = clients.map((asker, name) => outcomeOf(queue.submit(ask(name), { asker })));
  for (const client of clients) client.leave();
  outcomes.push(outcomeOf(queue.submit(ask(3), { asker: clients[2] })));
  while (await works.finishOne());
  expect(await Promise.all(outcomes)).toEqual(['answered', 'Withdrawn', 'Withdrawn', 'Withdrawn']);
  expect(works.ran).toEqual([0]);
  expect(queue.depth).toBe(0);
});

test('a batch that is held for others is given up with the one it was held for', async () => {
  const works = new Works();
  const timers = new Set<() => void>();
  const later = (_ms: number, then: () => void) => {
    timers.add(then);
    return () => void timers.delete(then);
  };
  const queue = new InferenceQueue(works.run, { length: 8, bytes: 1000, batching: { maxRows: 4, delayMs: 50 } }, () => 0, later);
  const client = new Client();
  const outcome = outcomeOf(queue.submit(ask(0), { asker: client }));
  expect(timers.size).toBe(1);
  client.leave();
  expect(await outcome).toBe('Withdrawn');
  expect(timers.size).toBe(0);
  await queue.idle();
});

test('whoever leaves when: each is answered, refused or withdrawn once, nothing withdrawn runs, and nothing is left behind', async () => {
  const step = fc.oneof(
    fc.record({ do: fc.constant('ask' as const), priority: fc.constantFrom<Priority>(1, 2, 3) }),
    fc.record({ do: fc.constant('leave' as const), who: fc.nat() }),
    fc.record({ do: fc.constant('finish' as const) }),
  );
  const limits = fc.record({
    concurrency: fc.integer({ min: 1, max: 2 }),
    length: fc.integer({ min: 1, max: 6 }),
    batching: fc.record({ maxRows: fc.integer({ min: 1, max: 3 }), delayMs: fc.constant(0) }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), limits, async (steps, limit) => {
      const works = new Works();
      const queue = new InferenceQueue(works.run, { bytes: 1e6, ...limit }, () => 0);
      const clients: Client[] = [];
      const outcomes: Promise<string>[] = [];
      for (const next of steps) {
        if (next.do === 'finish') await works.finishOne();
        else if (next.do === 'leave') clients[next.who % Math.max(1, clients.length)]?.leave();
        else {
          const asker = new Client();
          clients.push(asker);
          outcomes.push(outcomeOf(queue.submit(ask(clients.length - 1), { asker, priority: next.priority })));
        }
      }
      while (await works.finishOne());
      const all = await Promise.all(outcomes);
      await queue.idle();
      const answered = all.flatMap((outcome, name) => (outcome === 'answered' ? [name] : []));
      expect(works.ran.toSorted((a, b) => a - b)).toEqual(answered);
      expect(all.every((outcome, i) => outcome !== 'Withdrawn' || clients[i]!.isGone)).toBe(true);
      expect(all.every((outcome) => ['answered', 'Withdrawn', 'Overloaded'].includes(outcome))).toBe(true);
      expect(queue.depth).toBe(0);
      expect(clients.every(({ listeners }) => listeners === 0)).toBe(true);
    }),
  );
});
