import type { TelemetryFilter, TelemetryLevel } from '@flotilla/protocol';
import { evidenceKeys, evidenceSums } from '../telemetry/evidence-sums.js';
import { parseSelector } from '../fleet/selector.js';
import { type Bind, selectorSql } from '../fleet/selector-sql.js';
import type { Part, Plan, Rows } from './levels.js';

/** All windows up to this id are in the rollups, and none above it. */
export type Watermark = number;
export type Question = Readonly<{ by: readonly string[]; filter: TelemetryFilter; step?: TelemetryLevel | undefined }>;

/** One source of rows: a table, what in it is meant, and how its columns are called. */
export type Source = Readonly<{ table: string; at: string; device: boolean; where: (bind: Bind) => string[] }>;

const site = 'label:site';
const ofFleet = new Set(['release', 'variant', 'hardwareClass', 'slot', site]);

/** The fleet's rollups answer what does not ask for single devices, groups, or labels other than the site. */
export const rowsFor = ({ by, filter }: Question): Rows =>
  by.every((dimension) => ofFleet.has(dimension)) && !names(filter, 'device', 'group', 'selector') ? 'fleet' : 'device';

/** An empty text is a filter too. */
const names = (filter: TelemetryFilter, ...keys: (keyof TelemetryFilter)[]) => keys.some((key) => filter[key] !== undefined);

/**
 * The rows that answer, each with its key and figures. What the rollups do not hold yet comes from the windows themselves:
 * read in one snapshot with the watermark, none is missing and none is there twice.
 */
export function rowsSql(plan: Plan, question: Question, watermark: Watermark, bind: Bind): string {
  const parts = plan.parts.map((part) => partSql(sourceOf(plan.rows, part), question, bind));
  if (plan.level === 'raw') return parts.join(' UNION ALL ');
  const young: Source = windowsIn({ level: 'raw', from: plan.from, to: plan.to }, (b) => [`t.id > ${b(watermark)}`]);
  return [...parts, partSql(young, question, bind)].join(' UNION ALL ');
}

/** Rows of the rollups of devices' contents, or windows: those columns that both have, each with its key. As `rowsSql`, but for what came since. */
export function contentRows({ plan, question, watermark, fresh }: ContentRows, columns: string, bind: Bind): string {
  const parts = plan.parts.map((part) => {
    const source = sourceOf('device', part);
    return part.level === 'raw' ? source : { ...source, table: `rollup_content_${part.level}` };
  });
  const young = windowsIn({ ...plan, level: 'raw' }, (b) => [`t.id > ${b(watermark)}`]);
  const sources = fresh && plan.level !== 'raw' ? [...parts, young] : parts;
  return sources.map((source) => contentRowsIn(source, question, columns, bind)).join(' UNION ALL ');
}

type ContentRows = Readonly<{ plan: Plan; question: Question; watermark: Watermark; fresh: boolean }>;

function contentRowsIn(source: Source, { by, filter }: Question, columns: string, bind: Bind): string {
  const key = by.map((dimension) => keyOf(dimension, source, bind)).join(', ');
  return `SELECT ARRAY[${key}]::text[] key, ${columns} FROM ${source.table} t ${joins(by, filter, source)}
    WHERE ${[...source.where(bind), ...filters(filter, source, bind)].join(' AND ')}`;
}

/** What else a statement about rows (as `t`, with their release as `r`) needs, to be about those that the filters mean. */
export function conditionsOn(of: Rows | 'vitals', filter: TelemetryFilter, bind: Bind): { joins: string; conditions: string[] } {
  const source: Source = { table: '', at: '', device: of !== 'fleet', where: () => [] };
  const by = of === 'vitals' ? [] : ['release'];
  return { joins: joins(by, filter, source), conditions: filters(filter, source, bind) };
}

/** A condition on `device` that the filters make, for counting. */
export const devicesWhere = (filter: TelemetryFilter, bind: Bind): string =>
  ['TRUE', ...deviceFilters(filter, 'device.id', bind), ...given(filter.device, (id) => `device.id = ${bind(id)}`)].join(' AND ');

function sourceOf(rows: Rows, part: Part): Source {
  if (part.level === 'raw') return windowsIn(part, () => []);
  return {
    table: `rollup_${rows}_${part.level}`,
    at: 't.bucket',
    device: rows === 'device',
    where: (bind) => [`t.bucket >= ${bind(new Date(part.from))}`, `t.bucket < ${bind(new Date(part.to))}`],
  };
}

/** Nothing is received before it has ended: that bound finds the partitions and the index. */
export const windowsIn = ({ from, to }: Part, more: (bind: Bind) => string[]): Source => ({
  table: 'telemetry_window',
  at: 't.ended_at',
  device: true,
  where: (bind) => {
    const begin = bind(new Date(from));
    return [`t.received_at >= ${begin}`, `t.ended_at >= ${begin}`, `t.ended_at < ${bind(new Date(to))}`, ...more(bind)];
  },
});

function partSql(source: Source, { by, filter, step }: Question, bind: Bind): string {
  const raw = source.table === 'telemetry_window';
  const figures = raw
    ? `1::int8 windows, t.ok::int8, t.errors::int8, t.sheds::int8, coalesce(t.restarts, 0)::int8 restarts, t.compute_cpu_us, t.rss_bytes`
    : `t.windows, t.ok, t.errors, t.sheds, t.restarts, t.compute_cpu_us, t.rss_bytes_max rss_bytes`;
  const evidence = evidenceKeys
    .map((key) => evidenceSums[key])
    .map(({ column, ofWindow }) => (raw ? `(${ofWindow('t')})::int8 ${column}` : `t.${column}`));
  const sketches = sketchNames.map((of) => `t.${of}_first, t.${of}::int8[] ${of}`).join(', ');
  const bucket = step ? `date_trunc('${step}', ${source.at}, 'UTC')` : 'NULL::timestamptz';
  const key = by.map((dimension) => keyOf(dimension, source, bind)).join(', ');
  return `SELECT ARRAY[${key}]::text[] key, ${bucket} at, ${source.device ? 't.device' : 'NULL::text'} device, ${figures},
      t.temperature_max_c, ${evidence.join(', ')}, ${sketches}
    FROM ${source.table} t ${joins(by, filter, source)} WHERE ${[...source.where(bind), ...filters(filter, source, bind)].join(' AND ')}`;
}

export const sketchNames = ['queue', 'compute', 'total'] as const;

/** Whatever became of a device since: what it measured counts on. */
export function joins(by: readonly string[], filter: TelemetryFilter, source: Source): string {
  const ofDevice =
    by.some((each) => each === 'hardwareClass' || each.startsWith('label:')) || names(filter, 'hardwareClass', 'selector');
  return [
    ...(source.device && ofDevice ? ['LEFT JOIN device ON device.id = t.device'] : []),
    ...(by.includes('release') || names(filter, 'model', 'release') ? ['LEFT JOIN release r ON r.digest = t.digest'] : []),
    ...(by.includes('group') ? ['JOIN group_member m ON m.device = t.device'] : []),
  ].join(' ');
}

export function filters(filter: TelemetryFilter, source: Source, bind: Bind): string[] {
  return [
    ...given(filter.slot, (slot) => `t.slot = ${bind(slot)}`),
    ...given(filter.variant, (variant) => `t.variant = ${bind(variant)}`),
    ...given(filter.device, (id) => `t.device = ${bind(id)}`),
    ...given(filter.model, (model) => `r.model = ${bind(model)}`),
    ...given(filter.release, (name) => `r.model || '@' || r.version = ${bind(name)}`),
    ...(source.device
      ? deviceFilters(filter, 't.device', bind)
      : given(filter.hardwareClass, (its) => `t.hardware_class = ${bind(its)}`)),
  ];
}

function deviceFilters(filter: TelemetryFilter, device: string, bind: Bind): string[] {
  const member = (group: string) =>
    `EXISTS (SELECT 1 FROM group_member gm WHERE gm.device = ${device} AND gm.group_name = ${bind(group)})`;
  return [
    ...given(filter.hardwareClass, (its) => `device.hardware_class = ${bind(its)}`),
    ...given(filter.group, member),
    ...given(filter.selector, (text) => selectorSql(parseSelector(text), bind)),
  ];
}

export function keyOf(dimension: string, { device }: Source, bind: Bind): string {
  if (!device && dimension === site) return 't.site';
  if (!device && dimension === 'hardwareClass') return 't.hardware_class';
  if (dimension.startsWith('label:')) return `coalesce(device.labels ->> ${bind(dimension.slice('label:'.length))}, '')`;
  return columns[dimension]!;
}
const columns: Readonly<Record<string, string>> = {
  release: `coalesce(r.model || '@' || r.version, t.digest)`,
  variant: 't.variant',
  hardwareClass: `coalesce(device.hardware_class, '')`,
  slot: 't.slot',
  device: 't.device',
  group: 'm.group_name',
};

const given = <T>(value: T | undefined, condition: (value: T) => string): string[] =>
  value === undefined ? [] : [condition(value)];
