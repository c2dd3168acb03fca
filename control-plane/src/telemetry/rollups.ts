import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { Counters } from '../platform/counters.js';
import { Leader } from '../platform/leader.js';
import type { Logger } from '../platform/logger.js';
import { LOGGER } from '../platform/tokens.js';
import { JustStored } from './just-stored.js';
import { LevelSums, rollupTables, type Place, type UnplacedWindow } from './rollup-levels.js';
import { type IdSpan, RollUp, type Taken } from './roll-up.js';
import { RollupRepository } from './rollup.repository.js';

const everyMs = 2000;
/** Windows are read in portions of so many ids. `rows` that would change bound a transaction's memory, `ms` how long it holds the leader's lease. */
const step = { portion: 2000, rows: 4000, ms: 500 };

/** Windows as they come into the rollups of devices and of the fleet. */
@Injectable()
export class Rollups extends RollUp {
  constructor(
    @Inject(RollupRepository) private readonly rollups: RollupRepository,
    @Inject(JustStored) private readonly justStored: JustStored,
    @Inject(Leader) leader: Leader,
    @Inject(Counters) counters: Counters,
    @Inject(LOGGER) log: Logger,
  ) {
    const { watermark } = rollups;
    super({ what: 'telemetry', everyMs, watermark, transaction: (work) => rollups.transaction(work) }, leader, counters, log);
  }

  protected override async take(tx: EntityManager, { from, upTo }: IdSpan): Promise<Taken> {
    const sums = new LevelSums();
    const { windows, last } = await this.#read(tx, { from, upTo, until: performance.now() + step.ms }, sums);
    const all = sums.finish();
    for (const table of rollupTables) await this.rollups.add(tx, table, all[table]);
    return { rows: windows, last };
  }

  protected override took({ rows }: Taken, ms: number): void {
    this.counters.count('rollup.windows', rows);
    this.counters.count('rollup.steps');
    this.counters.count('rollup.ms', Math.round(ms));
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
    // A limit would have each portion sorted out of all that follow, where the planner knows no better.
    const last = Math.min(after + step.portion, upTo);
    const windows = await this.rollups.windows(tx, after, last);
    return { windows, count: windows.length, last };
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
