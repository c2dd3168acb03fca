import { setImmediate, setTimeout as delay } from 'node:timers/promises';
import type { Connection, Outcome } from './transports/transport.js';

export type LoadResult = {
  seconds: number;
  /** Of the inferences that were answered. */
  timesMs: Float64Array;
  shed: number;
  moved: number;
  /** Left out, for no connection was free. */
  unsent: number;
  failures: { reason: string; count: number }[];
};

/** Each connection asks again as soon as it is answered. */
export async function closedLoop(connections: readonly Connection[], ms: number): Promise<LoadResult> {
  const tally = new Tally();
  await Promise.all(
    connections.map(async (connection) => {
      while (tally.elapsedMs < ms) {
        const since = performance.now();
        tally.count(await connection.infer(), performance.now() - since);
      }
    }),
  );
  return tally.result();
}

export type OpenLoop = {
  ms: number;
  perSecond: number;
  /** What is due while every connection waits for an answer: it waits too, and that counts as time of its answer, or it is left out. */
  whenBusy: 'wait' | 'leave-out';
};

/** Asks at a steady rate, whatever becomes of earlier requests. */
export async function openLoop(connections: readonly Connection[], { ms, perSecond, whenBusy }: OpenLoop): Promise<LoadResult> {
  const tally = new Tally();
  const idle = [...connections];
  const overdue: number[] = [];
  const open = new Set<Promise<void>>();
  for (let due = 0; tally.elapsedMs < ms;) {
    for (const wanted = Math.floor((tally.elapsedMs * perSecond) / 1000); due < wanted; due++) begin(performance.now());
    await delay(1);
    // A connection that the server has ended meanwhile is known as ended only when the loop has looked at its sockets.
    await setImmediate();
  }
  while (open.size > 0) await Promise.all(open);
  return tally.result();

  function begin(since: number): void {
    const connection = idle.pop();
    if (connection) track(ask(connection, since));
    else if (whenBusy === 'wait') overdue.push(since);
    else tally.unsent += 1;
  }

  function track(asked: Promise<void>): void {
    open.add(asked);
    void asked.then(() => open.delete(asked));
  }

  async function ask(connection: Connection, since: number): Promise<void> {
    tally.count(await connection.infer(), performance.now() - since);
    idle.push(connection);
    const next = overdue.shift();
    if (next !== undefined) begin(next);
  }
}

class Tally {
  readonly #begun = performance.now();
  readonly #times: number[] = [];
  readonly #reasons = new Map<string, number>();
  #shed = 0;
  #moved = 0;
  unsent = 0;

  get elapsedMs(): number {
    return performance.now() - this.#begun;
  }

  count(outcome: Outcome, ms: number): void {
    if (outcome.kind === 'failed') this.#reasons.set(outcome.reason, (this.#reasons.get(outcome.reason) ?? 0) + 1);
    else if (outcome.kind === 'shed') this.#shed += 1;
    else if (outcome.kind === 'moved') this.#moved += 1;
    else this.#times.push(ms);
  }

  result(): LoadResult {
    return {
      seconds: this.elapsedMs / 1000,
      timesMs: Float64Array.from(this.#times),
      shed: this.#shed,
      moved: this.#moved,
      unsent: this.unsent,
      failures: [...this.#reasons].map(([reason, count]) => ({ reason, count })),
    };
  }
}
