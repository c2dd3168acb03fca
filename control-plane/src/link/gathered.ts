import { setTimeout as delay } from 'node:timers/promises';

type Waiting<T, R> = { item: T; answer: PromiseWithResolvers<R> };

/**
 * While one set is under way, what comes waits and goes together in the next: nothing waits while there is little, and there are
 * sets while there is much. `restMs`: no set begins sooner after the one before, so that a quick one does not make for small ones.
 */
export class Gathered<T, R> {
  readonly #work: (items: readonly T[]) => Promise<readonly R[]>;
  readonly #most: number;
  readonly #restMs: number;
  #waiting: Waiting<T, R>[] = [];
  #running = false;
  #nextAt = 0;
  #full = Promise.withResolvers<void>();

  /** `work` gives an answer for each item, in their order; should it fail, so does each of the set. */
  constructor(work: (items: readonly T[]) => Promise<readonly R[]>, most: number, restMs = 0) {
    this.#work = work;
    this.#most = most;
    this.#restMs = restMs;
  }

  add(item: T): Promise<R> {
    const answer = Promise.withResolvers<R>();
    this.#waiting.push({ item, answer });
    if (!this.#running) void this.#run();
    else if (this.#waiting.length >= this.#most) this.#full.resolve();
    return answer.promise;
  }

  async #run(): Promise<void> {
    this.#running = true;
    while (this.#waiting.length > 0) {
      const resting = this.#rest();
      if (resting) await resting;
      this.#nextAt = performance.now() + this.#restMs;
      await this.#settle(this.#waiting.splice(0, this.#most));
    }
    this.#running = false;
  }

  /** A full set has nothing to wait for. */
  #rest(): Promise<unknown> | undefined {
    const early = this.#nextAt - performance.now();
    if (early <= 0 || this.#waiting.length >= this.#most) return undefined;
    this.#full = Promise.withResolvers();
    return Promise.race([this.#full.promise, delay(early)]);
  }

  async #settle(set: readonly Waiting<T, R>[]): Promise<void> {
    try {
      const answers = await this.#work(set.map(({ item }) => item));
      for (const [i, { answer }] of set.entries()) answer.resolve(answers[i]!);
    } catch (error) {
      for (const { answer } of set) answer.reject(error);
    }
  }
}
