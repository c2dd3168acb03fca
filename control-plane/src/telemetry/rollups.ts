import { setTimeout as delay } from 'node:timers/promises';
import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { Counters } from '../platform/counters.js';
import { AppError } from '../platform/errors.js';
import { Leader } from '../platform/leader.js';
import type { Logger } from '../platform/logger.js';
import { LOGGER } from '../platform/tokens.js';
import { JustStored } from './just-stored.js';
import { LevelSums, rollupTables, type Place, type UnplacedWindow } from './rollup-levels.js';
import { RollupRepository } from './rollup.repository.js';

const everyMs = 2000;
/** Windows are read in portions. `rows` that would change bound a transaction's memory, `ms` how long it holds the leader's lease. */
const step = { portion: 2000, rows: 4000, ms: 500 };
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
    @Inject(JustStored) private readonly justStored: JustStored,
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
    const { windows, last } = await this.rollups.transaction(async (tx) => {
      await this.leader.check(tx);
      const from = await this.rollups.lockWatermark(tx);
      if (from >= upTo) return { windows: 0, last: upTo };
      const sums = new LevelSums();
      const read = await this.#read(tx, { from, upTo, until: begun + step.ms }, sums);
      const all = sums.finish();
      for (const table of rollupTables) await this.rollups.add(tx, table, all[table]);
      await this.rollups.moveWatermark(tx, read.last);
      return read;
    });
    this.counters.count('rollup.windows', windows);
    this.counters.count('rollup.steps');
    this.counters.count('rollup.ms', Math.round(performance.now() - begun));
    return last < upTo;
  }

  /** As many as one transaction takes: each row is then written once for all of them. `last`: how far they reach. */
  async #read(tx: EntityManager, { from, upTo, until }: Span, sums: LevelSums): Promise<{ windows: number; last: number }> {
    const runs = await this.#atHand(tx, from, upTo);
    let [windows, last] = [0, from];
    do {
      const [next] = runs;
      const portion = next?.first === last + 1 ? runs.shift()! : await this.#fromTable(tx, last, next ? next.first - 1 : upTo);
      sums.add(portion.windows);
      windows += portion.count;
      last = portion.last;
    } while (last < upTo && sums.rows < step.rows && performance.now() < until);
    return { windows, last };
  }

  async #fromTable(tx: EntityManager, after: number, upTo: number): Promise<Portion> {
    const windows = await this.rollups.windows(tx, after, upTo, step.portion);
    return { windows, count: windows.length, last: windows.length < step.portion ? upTo : windows.at(-1)!.id };
  }

  /** What need not be read, because this process has stored it itself. */
  async #atHand(tx: EntityManager, from: number, upTo: number): Promise<(Portion & { first: number })[]> {
    const kept = this.justStored.between(from, upTo);
    if (kept.length === 0) return [];
    const whole = await this.rollups.whole(tx, kept);
    const placeOf = await this.rollups.places(tx, new Set(kept.flatMap(({ sums }) => sums.map(({ device }) => device))));
    return kept
      .filter(({ first }) => whole.has(first))
      .map(({ first, last, sums }) => {
        const windows = sums.map((sum) => ({ ...sum, ...placeOf(sum.device) }));
        return { first, last, count: last - first + 1, windows };
      });
  }
}

type Span = Readonly<{ from: number; upTo: number; until: number }>;
type Portion = Readonly<{ windows: readonly (UnplacedWindow & Place)[]; count: number; last: number }>;
