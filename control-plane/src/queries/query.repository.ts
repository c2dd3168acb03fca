import { Inject, Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import type { TelemetryFilter, TelemetryQuery } from '@flotilla/protocol';
import { AppError } from '../platform/errors.js';
import { evidenceKeys, evidenceSums, type EvidenceSums } from '../telemetry/evidence-sums.js';
import { Bins } from '../telemetry/rollup-sum.js';
import type { Plan } from './levels.js';
import { devicesWhere, type Question, rowsSql, sketchNames, type Watermark } from './question-sql.js';

export type GroupTotals = Readonly<{
  key: string[];
  at: Date | null;
  /** How many rows of the level that is read. */
  rows: number;
  /** 0 where the rows have none. */
  devices: number;
  windows: number;
  ok: number;
  errors: number;
  sheds: number;
  restarts: number;
  computeCpuUs: number;
  maxRssBytes: number | null;
  temperatureMaxC: number | null;
}> &
  EvidenceSums;
/** One group's sketch of one kind: how many in which bin, in any order. */
export type GroupSketch = Readonly<{
  key: readonly string[];
  at: Date | null;
  of: (typeof sketchNames)[number];
  bins: readonly number[];
  counts: readonly number[];
}>;
/** One row's sketches, not put together. */
type LooseSketches = Readonly<{ n: number; at: Date | null } & Record<`${(typeof sketchNames)[number]}First`, number>> &
  Readonly<Record<(typeof sketchNames)[number], string>>;
type SketchRow = Readonly<{ n: number; at: Date | null; of: GroupSketch['of']; bins: string; counts: string }>;
export type Read = Readonly<{
  plan: Plan;
  question: Question;
  watermark: Watermark;
  /** All that was stored by then is in the rollups; null: they were never complete. */
  at: Date | null;
}>;
type Keys = readonly (readonly string[])[];
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
const sums = `count(*)::int rows, count(DISTINCT device)::int devices, sum(windows)::float8 windows, sum(ok)::float8 ok, sum(errors)::float8 errors,
  sum(sheds)::float8 sheds, sum(restarts)::float8 restarts, sum(compute_cpu_us)::float8 "computeCpuUs", max(rss_bytes)::float8 "maxRssBytes",
  max(temperature_max_c)::float8 "temperatureMaxC", ${evidenceKeys.map((key) => `sum(${evidenceSums[key].column})::float8 "${key}"`).join(', ')}`;
/** So many rows' bins are put together here, in a fifth of the time that the database takes; more would hold up whoever else asks. */
const mostLooseRows = 10_000;
const longestMs = 20_000;
const settings = [`statement_timeout = ${longestMs}`, `work_mem = '32MB'`, 'jit = off'];

/** Windows put together by what they have in common: merging fixed bins is addition, so the database does it. */
@Injectable()
export class QueryRepository {
  constructor(@Inject(DataSource) private readonly db: DataSource) {}

  /** All that `ask` reads is of one moment. */
  async inOneSnapshot<T>(
    ask: (tx: EntityManager, rolledUp: Pick<Read, 'watermark' | 'at'>) => Promise<T>,
    name = 'telemetry_window',
  ): Promise<T> {
    try {
      return await this.db.transaction('REPEATABLE READ', async (tx) => {
        // Bins are sorted into groups in memory, and statements are too short to be compiled.
        for (const setting of settings) await tx.query(`SET LOCAL ${setting}`);
        const sql = `SELECT up_to::float8 watermark, at FROM rollup_watermark WHERE name = $1`;
        const [rolledUp = { watermark: 0, at: null }] = await tx.query<Pick<Read, 'watermark' | 'at'>[]>(sql, [name]);
        return ask(tx, rolledUp);
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
  buckets(tx: EntityManager, { plan, question, watermark }: Read, keys: Keys): Promise<GroupTotals[]> {
    const { values, bind } = binder();
    const rows = rowsSql(plan, question, watermark, bind);
    return tx.query(
      `SELECT key, at, ${sums} FROM (${rows}) w JOIN ${numbered(keys, bind)} USING (key) GROUP BY key, at ORDER BY at, key`,
      values,
    );
  }

  /** Of these groups only. */
  sketches(tx: EntityManager, read: Read, groups: readonly GroupTotals[]): Promise<GroupSketch[]> {
    const keys = groups.map(({ key }) => key);
    const rows = groups.reduce((sum, group) => sum + group.rows, 0);
    return rows > mostLooseRows ? this.#added(tx, read, keys) : this.#loose(tx, read, keys);
  }

  async #loose(tx: EntityManager, { plan, question, watermark }: Read, keys: Keys): Promise<GroupSketch[]> {
    const { values, bind } = binder();
    const rows = rowsSql(plan, question, watermark, bind);
    const columns = sketchNames.map((of) => `every.${of}_first "${of}First", every.${of}::text ${of}`).join(', ');
    const found = await tx.query<LooseSketches[]>(
      `SELECT n, at, ${columns} FROM (${rows}) every JOIN ${numbered(keys, bind)} USING (key)`,
      values,
    );
    const groups = Map.groupBy(found, ({ n, at }) => `${n} ${at?.getTime()}`);
    return [...groups.values()].flatMap((its) => sketchNames.map((of) => putTogether(of, its, keys)));
  }

  /** Numbers instead of keys: what is grouped are millions of bins. */
  async #added(tx: EntityManager, { plan, question, watermark }: Read, keys: Keys): Promise<GroupSketch[]> {
    const { values, bind } = binder();
    const rows = rowsSql(plan, question, watermark, bind);
    const of = (name: string) =>
      `SELECT n, at, '${name}' "of", array_agg(bin)::text bins, array_agg(count)::text counts FROM (
         SELECT n, at, (w.${name}_first + b.i - 1)::int bin, sum(b.count)::int8 count
         FROM w, unnest(w.${name}) WITH ORDINALITY b(count, i) GROUP BY n, at, bin) bins GROUP BY n, at`;
    const found = await tx.query<SketchRow[]>(
      `WITH w AS MATERIALIZED (SELECT n, every.* FROM (${rows}) every JOIN ${numbered(keys, bind)} USING (key))
       ${sketchNames.map(of).join(' UNION ALL ')}`,
      values,
    );
    return found.map(({ n, bins, counts, ...row }) => ({
      ...row,
      key: keys[n - 1]!,
      bins: listOf(bins),
      counts: listOf(counts),
    }));
  }
}

function putTogether(of: GroupSketch['of'], rows: readonly LooseSketches[], keys: Keys): GroupSketch {
  const bins = new Bins();
  for (const row of rows) bins.add({ first: row[`${of}First`], counts: listOf(row[of]) });
  const { n, at } = rows[0]!;
  return { key: keys[n - 1]!, at, of, bins: bins.counts.map((_, i) => bins.first + i), counts: bins.counts };
}

/** The database's own notation of arrays of numbers: several times as fast as the driver's reading. */
export const listOf = (text: string) => JSON.parse(`[${text.slice(1, -1)}]`) as number[];

/** Groups as a table of their keys, numbered from 1 on. */
export const numbered = (keys: Keys, bind: (value: unknown) => string) =>
  `(SELECT ARRAY(SELECT json_array_elements_text(k)) key, n::int
    FROM json_array_elements(CAST(${bind(JSON.stringify(keys))} AS json)) WITH ORDINALITY k(k, n)) keys`;

export function binder() {
  const values: unknown[] = [];
  return { values, bind: (value: unknown) => `$${values.push(value)}` };
}
