import { Inject, Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import type { TelemetryFilter, TelemetryQuery } from '@flotilla/protocol';
import { AppError } from '../platform/errors.js';
import type { Plan } from './levels.js';
import { devicesWhere, type Question, rowsSql, sketchNames, type Watermark } from './question-sql.js';

export type GroupTotals = Readonly<{
  key: string[];
  at: Date | null;
  /** 0 where the rows have none. */
  devices: number;
  windows: number;
  ok: number;
  errors: number;
  sheds: number;
  restarts: number;
  computeCpuUs: number;
  maxRssBytes: number | null;
}>;
export type GroupBin = Readonly<{ key: string[]; at: Date | null; of: (typeof sketchNames)[number]; bin: number; count: number }>;
export type Read = Readonly<{ plan: Plan; question: Question; watermark: Watermark }>;
type Order = Readonly<{ order: TelemetryQuery['order']; limit: number }>;

const leastInferences = 100;
const rated = (sum: string) => `CASE WHEN sum(ok + errors) >= ${leastInferences} THEN ${sum} END`;
const orders: Record<TelemetryQuery['order'], string> = {
  inferences: 'sum(ok)',
  errors: 'sum(errors)',
  errorRate: rated('sum(errors)::float8 / sum(ok + errors)'),
  sheds: 'sum(sheds)',
  compute: rated('sum(compute_cpu_us)::float8 / nullif(sum(ok), 0)'),
  restarts: 'sum(restarts)',
};
const sums = `count(DISTINCT device)::int devices, sum(windows)::float8 windows, sum(ok)::float8 ok, sum(errors)::float8 errors,
  sum(sheds)::float8 sheds, sum(restarts)::float8 restarts, sum(compute_cpu_us)::float8 "computeCpuUs", max(rss_bytes)::float8 "maxRssBytes"`;
const longestMs = 20_000;

/** Windows put together by what they have in common: merging fixed bins is addition, so the database does it. */
@Injectable()
export class QueryRepository {
  constructor(@Inject(DataSource) private readonly db: DataSource) {}

  /** All that `ask` reads is of one moment. */
  async inOneSnapshot<T>(ask: (tx: EntityManager, watermark: Watermark) => Promise<T>): Promise<T> {
    try {
      return await this.db.transaction('REPEATABLE READ', async (tx) => {
        await tx.query(`SET LOCAL statement_timeout = ${longestMs}`);
        const rows = await tx.query<{ upTo: string }[]>(
          `SELECT up_to "upTo" FROM rollup_watermark WHERE name = 'telemetry_window'`,
        );
        return ask(tx, Number(rows[0]?.upTo ?? 0));
      });
    } catch (error) {
      if ((error as { code?: string }).code !== '57014') throw error;
      const words = `no answer within ${longestMs / 1000} s: ask for less time, for fewer devices, or from a coarser level`;
      throw new AppError('INVALID_REQUEST', words, { cause: error });
    }
  }

  /** How many devices the filters leave. */
  async devices(tx: EntityManager, filter: TelemetryFilter): Promise<number> {
    const { values, bind } = binder();
    const sql = `SELECT count(*)::int count FROM device WHERE ${devicesWhere(filter, bind)}`;
    const [row] = await tx.query<{ count: number }[]>(sql, values);
    return row!.count;
  }

  totals(tx: EntityManager, { plan, question, watermark }: Read, { order, limit }: Order): Promise<GroupTotals[]> {
    const { values, bind } = binder();
    const rows = rowsSql(plan, { ...question, step: undefined }, watermark, bind);
    return tx.query(
      `SELECT key, NULL at, ${sums} FROM (${rows}) w GROUP BY key ORDER BY ${orders[order]} DESC NULLS LAST, key LIMIT ${limit}`,
      values,
    );
  }

  /** The same by bucket, of these groups only. */
  buckets(tx: EntityManager, { plan, question, watermark }: Read, keys: readonly (readonly string[])[]): Promise<GroupTotals[]> {
    const { values, bind } = binder();
    const rows = rowsSql(plan, question, watermark, bind);
    return tx.query(
      `SELECT key, at, ${sums} FROM (${rows}) w WHERE ${among(keys, bind)} GROUP BY key, at ORDER BY at, key`,
      values,
    );
  }

  /** Of these groups only. */
  bins(tx: EntityManager, { plan, question, watermark }: Read, keys: readonly (readonly string[])[]): Promise<GroupBin[]> {
    const { values, bind } = binder();
    const rows = rowsSql(plan, question, watermark, bind);
    const of = (name: string) =>
      `SELECT key, at, '${name}' "of", (w.${name}_first + b.i - 1)::int bin, sum(b.count)::float8 count
       FROM w, unnest(w.${name}) WITH ORDINALITY b(count, i) GROUP BY key, at, bin`;
    return tx.query(
      `WITH w AS MATERIALIZED (SELECT * FROM (${rows}) every WHERE ${among(keys, bind)}) ${sketchNames.map(of).join(' UNION ALL ')}`,
      values,
    );
  }
}

export function binder() {
  const values: unknown[] = [];
  return { values, bind: (value: unknown) => `$${values.push(value)}` };
}

const among = (keys: readonly (readonly string[])[], bind: (value: unknown) => string) =>
  `key IN (SELECT ARRAY(SELECT json_array_elements_text(k)) FROM json_array_elements(CAST(${bind(JSON.stringify(keys))} AS json)) k)`;
