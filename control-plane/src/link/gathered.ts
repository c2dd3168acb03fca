type Waiting<T, R> = { item: T; answer: PromiseWithResolvers<R> };

/**
 * While one set is under way, what comes waits and goes together in the next: nothing waits while there is little, and there are
 * sets while there is much.
 */
export class Gathered<T, R> {
  readonly #work: (items: readonly T[]) => Promise<readonly R[]>;
  readonly #most: number;
  #waiting: Waiting<T, R>[] = [];
  #running = false;

  /** `work` gives an answer for each item, in their order; should it fail, so does each of the set. */
  constructor(work: (items: readonly T[]) => Promise<readonly R[]>, most: number) {
    this.#work = work;
    this.#most = most;
  }

  add(item: T): Promise<R> {
    const answer = Promise.withResolvers<R>();
    this.#waiting.push({ item, answer });
    if (!this.#running) void this.#run();
    return answer.promise;
  }

  async #run(): Promise<void> {
    this.#running = true;
    while (this.#waiting.length > 0) await this.#settle(this.#waiting.splice(0, this.#most));
    this.#running = false;
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
