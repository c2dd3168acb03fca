import type { OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { Counters } from '../platform/counters.js';
import { AppError } from '../platform/errors.js';
import type { Leader } from '../platform/leader.js';
import type { Logger } from '../platform/logger.js';
import type { IdWatermark } from './id-watermark.js';

export type IdSpan = Readonly<{ from: number; upTo: number }>;
/** What one transaction took of a span: all from its beginning to the id `last`. */
export type Taken = Readonly<{ rows: number; last: number }>;
type Made = Readonly<{
  /** In the log. */
  what: string;
  everyMs: number;
  watermark: IdWatermark;
  transaction: <T>(work: (tx: EntityManager) => Promise<T>) => Promise<T>;
}>;

/** The leader's hand: what came since its last look goes into what is made of it, each row exactly once. */
export abstract class RollUp implements OnApplicationBootstrap, OnApplicationShutdown {
  readonly #stop = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> = Promise.resolve();

  constructor(
    private readonly made: Made,
    private readonly leader: Leader,
    protected readonly counters: Counters,
    private readonly log: Logger,
  ) {}

  /** Adds as much of the span as one transaction takes. */
  protected abstract take(tx: EntityManager, span: IdSpan): Promise<Taken>;
  protected abstract took(taken: Taken, ms: number): void;

  onApplicationBootstrap(): void {
    this.#timer = setTimeout(() => {
      this.#looking = this.#look().finally(() => this.#stop.signal.aborted || this.onApplicationBootstrap());
    }, this.made.everyMs);
  }

  async onApplicationShutdown(): Promise<void> {
    this.#stop.abort();
    clearTimeout(this.#timer);
    await this.#looking;
  }

  /** All that is settled at this moment. */
  async catchUp(): Promise<void> {
    const settled = await this.made.watermark.settled(this.#stop.signal);
    if (!settled) return this.counters.count('rollup.waited-in-vain');
    while (!this.#stop.signal.aborted && (await this.#step(settled.last, settled.at))) continue;
  }

  async #look(): Promise<void> {
    if (!this.leader.isLeader()) return;
    try {
      await this.catchUp();
    } catch (error) {
      // Another leader, or a database that restarts: the next look finds all as it was committed.
      const level = error instanceof AppError && error.code === 'NOT_LEADER' ? 'info' : 'warn';
      this.log[level]({ err: error }, `${this.made.what} could not be rolled up; it is tried again`);
    }
  }

  /** False when nothing is left. */
  async #step(upTo: number, at: Date): Promise<boolean> {
    const begun = performance.now();
    const { watermark, transaction } = this.made;
    const taken = await transaction(async (tx) => {
      const from = await watermark.lock(tx);
      if (from > upTo) return { rows: 0, last: from };
      const its = from === upTo ? { rows: 0, last: upTo } : await this.take(tx, { from, upTo });
      await watermark.move(tx, its.last, its.last === upTo ? at : undefined);
      // At the end: until then nobody waits for the lease's row, and whoever leads by now waits for the watermark's.
      await this.leader.check(tx);
      return its;
    });
    this.took(taken, performance.now() - begun);
    return taken.last < upTo;
  }
}
