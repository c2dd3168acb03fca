import { setTimeout as delay } from 'node:timers/promises';
import type { DataSource, EntityManager } from 'typeorm';
import type { Partitioned } from './partitions.js';

/** How far what is made of a table's rows is: every one up to the id is in it, and none above it. */
export type Distance = Readonly<{
  upTo: number;
  /** The last id that was ever drawn. */
  last: number;
  /** All that was stored by then is in it; null: that was never so. */
  at: Date | null;
}>;
/** `last`: every row up to it is committed, or never will be. `at`: when it was read. */
export type Settled = Readonly<{ upTo: number; last: number; at: Date }>;

/** Transactions of ingest take a tenth of a second; for one that hangs, this look is given up, and ingest is not held up. */
const writers = { lookMs: 20, mostLooks: 100 };

/** One row of rollup_watermark. Ids come from one sequence for all partitions: drawn in order, committed in any. */
export class IdWatermark {
  constructor(
    private readonly db: DataSource,
    private readonly source: Partitioned,
    /** Several things can be made of one table. */
    readonly name: string = source,
  ) {}

  async distance(): Promise<Distance & { now: Date }> {
    const [row] = await this.db.query<[Distance & { now: Date }]>(
      `SELECT coalesce(w.up_to, 0)::float8 "upTo", w.at, clock_timestamp() now,
              CASE WHEN s.is_called THEN s.last_value ELSE 0 END::float8 last
       FROM ${this.source}_id_seq s LEFT JOIN rollup_watermark w ON w.name = $1`,
      [this.name],
    );
    return row;
  }

  /**
   * It is not enough to look at the table: whoever was writing when the last id was read is waited for. Undefined where somebody hangs
   * while he writes, or the signal comes.
   */
  async settled(stop: AbortSignal): Promise<Settled | undefined> {
    const { upTo, last, now: at } = await this.distance();
    if (last <= upTo) return { upTo, last: upTo, at };
    let writing = await this.#writers();
    for (let look = 0; writing.length > 0 && look < writers.mostLooks && !stop.aborted; look++) {
      await delay(writers.lookMs);
      const still = new Set(await this.#writers());
      writing = writing.filter((writer) => still.has(writer));
    }
    return writing.length === 0 ? { upTo, last, at } : undefined;
  }

  /** For the rest of the transaction nobody else rolls up. */
  async lock(tx: EntityManager): Promise<number> {
    await tx.query(`INSERT INTO rollup_watermark (name, up_to) VALUES ($1, 0) ON CONFLICT DO NOTHING`, [this.name]);
    const [row] = await tx.query<[{ upTo: number }]>(
      `SELECT up_to::float8 "upTo" FROM rollup_watermark WHERE name = $1 FOR UPDATE`,
      [this.name],
    );
    return row.upTo;
  }

  /** `at`: all that was stored by then lies below it. */
  async move(tx: EntityManager, upTo: number, at?: Date): Promise<void> {
    await tx.query(`UPDATE rollup_watermark SET up_to = $2, at = coalesce($3, at) WHERE name = $1`, [this.name, upTo, at]);
  }

  /** Whoever writes holds this lock from before its first id is drawn to the end of its transaction. */
  async #writers(): Promise<string[]> {
    const rows = await this.db.query<{ writer: string }[]>(
      `SELECT DISTINCT virtualtransaction writer FROM pg_locks
       WHERE locktype = 'relation' AND mode = 'RowExclusiveLock' AND granted
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND relation = $1::regclass`,
      [this.source],
    );
    return rows.map(({ writer }) => writer);
  }
}
