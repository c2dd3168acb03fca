import { setTimeout as delay } from 'node:timers/promises';
import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { Counters } from '../platform/counters.js';
import { AppError } from '../platform/errors.js';
import { Leader } from '../platform/leader.js';
import type { Logger } from '../platform/logger.js';
import { LOGGER } from '../platform/tokens.js';
import { rolledUp, rollupTables } from './rollup-levels.js';
import { RollupRepository } from './rollup.repository.js';

const everyMs = 2000;
/** Of one transaction: what bounds the memory that it takes. */
const stepWindows = 4000;
/** Transactions of ingest take a tenth of a second; for one that hangs, this look is given up, and ingest is not held up. */
const writers = { lookMs: 20, mostLooks: 100 };

/** The leader's hand: adds the windows that came since its last look to the rollups, each exactly once. */
@Injectable()
export class Rollups implements OnApplicationBootstrap, OnApplicationShutdown {
  readonly #stop = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> = Promise.resolve();

  constructor(
    @Inject(RollupRepository) private readonly rollups: RollupRepository,
    @Inject(Leader) private readonly leader: Leader,
    @Inject(Counters) private readonly counters: Counters,
    @Inject(LOGGER) private readonly log: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.#timer = setTimeout(() => {
      this.#looking = this.#look().finally(() => this.#stop.signal.aborted || this.onApplicationBootstrap());
    }, everyMs);
  }

  async onApplicationShutdown(): Promise<void> {
    this.#stop.abort();
    clearTimeout(this.#timer);
    await this.#looking;
  }

  /** All that is settled at this moment. */
  async catchUp(): Promise<void> {
    const upTo = await this.#settled();
    while (!this.#stop.signal.aborted && (await this.#step(upTo))) continue;
  }

  async #look(): Promise<void> {
    if (!this.leader.isLeader()) return;
    try {
      await this.catchUp();
    } catch (error) {
      // Another leader, or a database that restarts: the next look finds all as it was committed.
      const level = error instanceof AppError && error.code === 'NOT_LEADER' ? 'info' : 'warn';
      this.log[level]({ err: error }, 'telemetry could not be rolled up; it is tried again');
    }
  }

  /**
   * The last id up to which every window is committed, or never will be. Ids are drawn in order and committed in any, so it is
   * not enough to look at the table: whoever was writing when the last id was read is waited for.
   */
  async #settled(): Promise<number> {
    const { upTo, last } = await this.rollups.distance();
    if (last <= upTo) return upTo;
    let writing = await this.rollups.writers();
    for (let look = 0; writing.length > 0 && look < writers.mostLooks && !this.#stop.signal.aborted; look++) {
      await delay(writers.lookMs);
      const still = new Set(await this.rollups.writers());
      writing = writing.filter((writer) => still.has(writer));
    }
    if (writing.length === 0) return last;
    this.counters.count('rollup.waited-in-vain');
    return upTo;
  }

  /** False when nothing is left. */
  async #step(upTo: number): Promise<boolean> {
    const begun = performance.now();
    const windows = await this.rollups.transaction(async (tx) => {
      await this.leader.check(tx);
      const from = await this.rollups.lockWatermark(tx);
      if (from >= upTo) return [];
      const found = await this.rollups.windows(tx, from, upTo, stepWindows);
      const sums = rolledUp(found);
      for (const table of rollupTables) await this.rollups.add(tx, table, sums[table]);
      await this.rollups.moveWatermark(tx, found.length < stepWindows ? upTo : found.at(-1)!.id);
      return found;
    });
    this.counters.count('rollup.windows', windows.length);
    this.counters.count('rollup.ms', Math.round(performance.now() - begun));
    return windows.length === stepWindows;
  }
}
