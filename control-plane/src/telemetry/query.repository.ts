import { Inject, Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import type { TelemetryQuery } from '@flotilla/protocol';
import { parseSelector } from '../fleet/selector.js';
import { selectorSql } from '../fleet/selector-sql.js';

export type Span = Readonly<{ from: Date; to: Date }>;
export type GroupTotals = Readonly<{
  key: string[];
  devices: number;
  windows: number;
  ok: number;
  errors: number;
  sheds: number;
  restarts: number;
  computeCpuUs: number;
  maxRssBytes: number | null;
}>;
export type GroupBin = Readonly<{ key: string[]; of: 'queue' | 'compute' | 'total'; bin: number; count: number }>;
type Bind = (value: unknown) => string;

const leastInferences = 100;
const rated = (sum: string) => `CASE WHEN sum(ok + errors) >= ${leastInferences} THEN ${sum} END`;
const orders: Record<TelemetryQuery['order'], string> = {
  inferences: 'sum(ok)',
  errors: 'sum(errors)',
  errorRate: rated('sum(errors)::float8 / sum(ok + errors)'),
  sheds: 'sum(sheds)',
  compute: rated('sum(compute_cpu_us)::float8 / nullif(sum(ok), 0)'),
  restarts: 'sum(coalesce(restarts, 0))',
};

/** Windows put together by what they have in common: merging fixed bins is addition, so the database does it. */
@Injectable()
export class QueryRepository {
  constructor(@Inject(DataSource) private readonly db: DataSource) {}

  totals(query: TelemetryQuery, span: Span): Promise<GroupTotals[]> {
    const { values, windows } = windowsOf(query, span);
    return this.db.query(
      `SELECT key, count(DISTINCT device)::int devices, count(*)::int windows, sum(ok)::float8 ok, sum(errors)::float8 errors,
              sum(sheds)::float8 sheds, sum(coalesce(restarts, 0))::float8 restarts, sum(compute_cpu_us)::float8 "computeCpuUs",
              max(rss_bytes)::float8 "maxRssBytes"
       FROM (${windows}) w GROUP BY key ORDER BY ${orders[query.order]} DESC NULLS LAST, key LIMIT ${query.limit}`,
      values,
    );
  }

  /** Of these groups only. */
  async bins(query: TelemetryQuery, span: Span, keys: readonly (readonly string[])[]): Promise<GroupBin[]> {
    if (keys.length === 0) return [];
    const { values, windows, bind } = windowsOf(query, span);
    const chosen = bind(keys.map((key) => JSON.stringify(key)));
    const of = (name: GroupBin['of']) =>
      `SELECT key, '${name}' "of", w.${name}_first + b.i - 1 bin, b.count FROM w, unnest(w.${name}) WITH ORDINALITY b(count, i)`;
    return this.db.query(
      `WITH w AS (SELECT * FROM (${windows}) all_of_them WHERE to_json(key)::text = ANY(${chosen}::text[]))
       SELECT key, "of", bin::int, sum(count)::float8 count
       FROM (${of('queue')} UNION ALL ${of('compute')} UNION ALL ${of('total')}) bins GROUP BY key, "of", bin`,
      values,
    );
  }
}

function windowsOf(query: TelemetryQuery, { from, to }: Span): { values: unknown[]; windows: string; bind: Bind } {
  const values: unknown[] = [];
  const bind: Bind = (value) => `$${values.push(value)}`;
  const key = query.by.map((dimension) => keyOf(dimension, bind));
  const filters = [
    `t.received_at >= ${bind(from)} AND t.received_at < ${bind(to)}`,
    ...given(query.slot, (slot) => `t.slot = ${bind(slot)}`),
    ...given(query.variant, (variant) => `t.variant = ${bind(variant)}`),
    ...given(query.device, (id) => `t.device = ${bind(id)}`),
    ...given(query.model, (model) => `r.model = ${bind(model)}`),
    ...given(query.release, (name) => `r.model || '@' || r.version = ${bind(name)}`),
    ...given(query.hardwareClass, (its) => `device.hardware_class = ${bind(its)}`),
    ...given(
      query.group,
      (group) => `EXISTS (SELECT 1 FROM group_member gm WHERE gm.device = t.device AND gm.group_name = ${bind(group)})`,
    ),
    ...given(query.selector, (text) => selectorSql(parseSelector(text), bind)),
  ];
  const members = query.by.includes('group') ? 'JOIN group_member m ON m.device = t.device' : '';
  return {
    values,
    bind,
    windows: `SELECT ARRAY[${key.join(', ')}]::text[] key, t.* FROM telemetry_window t JOIN device ON device.id = t.device
       LEFT JOIN release r ON r.digest = t.digest ${members} WHERE ${filters.join(' AND ')}`,
  };
}

function keyOf(dimension: string, bind: Bind): string {
  if (dimension.startsWith('label:')) return `coalesce(device.labels ->> ${bind(dimension.slice('label:'.length))}, '')`;
  return columns[dimension]!;
}
const columns: Record<string, string> = {
  release: `coalesce(r.model || '@' || r.version, t.digest)`,
  variant: 't.variant',
  hardwareClass: 'device.hardware_class',
  slot: 't.slot',
  device: 't.device',
  group: 'm.group_name',
};

const given = <T>(value: T | undefined, condition: (value: T) => string): string[] =>
  value === undefined ? [] : [condition(value)];
