import { setTimeout as delay } from 'node:timers/promises';
import type { DataSource } from 'typeorm';

const lookEveryMs = 200;
/** Longer than the moment between taking an id and being known as a transaction. */
const settleMs = 100;
const askAgainMs = 20;

/**
 * The end of a table that only grows, for readers who may not miss any. Ids are taken before they are committed, so that a lower one may
 * appear after a higher one: up to its settled end the log has no place left where that could happen.
 */
export class LogTail {
  #settled: number | undefined;
  #round: Promise<number> | undefined;

  constructor(
    private readonly db: DataSource,
    private readonly table: 'event' | 'telemetry_window',
  ) {}

  /** The settled end, as it is now. */
  end(): Promise<number> {
    return this.#next();
  }

  /** The settled end once it lies beyond `after`; undefined where `signal` ended the wait. All readers wait for one query. */
  async beyond(after: number, signal: AbortSignal): Promise<number | undefined> {
    while (!signal.aborted) {
      if (this.#settled !== undefined && this.#settled > after) return this.#settled;
      await this.#next();
    }
    return undefined;
  }

  #next(): Promise<number> {
    this.#round ??= this.#look().finally(() => (this.#round = undefined));
    return this.#round;
  }

  async #look(): Promise<number> {
    if (this.#settled === undefined) {
      const [row] = await this.db.query<{ last: number }[]>(`SELECT coalesce(max(id), 0)::float8 last FROM ${this.table}`);
      return (this.#settled = await this.#settle(row!.last));
    }
    await delay(lookEveryMs);
    const { last, count } = await this.#after(this.#settled);
    // A gap is an event still to come, or one that was rolled back.
    const whole = count === last - this.#settled;
    return (this.#settled = whole ? last : await this.#settle(last));
  }

  async #after(id: number): Promise<{ last: number; count: number }> {
    const sql = `SELECT coalesce(max(id), $1)::float8 last, count(*)::int count FROM ${this.table} WHERE id > $1::int8`;
    const [row] = await this.db.query<{ last: number; count: number }[]>(sql, [id]);
    return row!;
  }

  /** `last`, once every transaction that might still write below it has ended. */
  async #settle(last: number): Promise<number> {
    await delay(settleMs);
    const [{ xmax } = { xmax: '0' }] = await this.db.query<{ xmax: string }[]>(
      `SELECT pg_snapshot_xmax(pg_current_snapshot())::text xmax`,
    );
    const sql = `SELECT pg_snapshot_xmin(pg_current_snapshot()) >= $1::xid8 ended`;
    while (!(await this.db.query<{ ended: boolean }[]>(sql, [xmax]))[0]?.ended) await delay(askAgainMs);
    return last;
  }
}
