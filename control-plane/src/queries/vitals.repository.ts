import type { VitalsQuery } from '@flotilla/protocol';
import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { Bind } from '../fleet/selector-sql.js';
import { sentBy, sumsOf, vitalsSums } from '../telemetry/vitals-sums.js';
import type { Part } from './levels.js';
import type { ContentRead } from './queries.service.js';
import { binder, numbered } from './query.repository.js';
import { filters, joins, keyOf, type Question, type Source, windowsIn } from './question-sql.js';

/** Null where nobody told. */
export type VitalsTotals = Readonly<{ key: string[]; at: Date | null; devices: number; samples: number }> &
  Readonly<Record<(typeof told)[number], number | null>>;

const mean = (sum: string, per: number, count: string) => `sum(${sum})::float8 / ${per} / nullif(sum(${count}), 0)`;
const sums = {
  cpuMean: mean('cpu_millionths', 1e6, 'cpu_n'),
  cpuMax: 'max(cpu_max)',
  memoryUsedMaxBytes: 'max(memory_used_max)',
  memoryShareMax: 'max(memory_share_max)',
  supervisorRssMaxBytes: 'max(supervisor_rss_max)',
  runnerRssMaxBytes: 'max(runner_rss_max)',
  temperatureMeanC: mean('temperature_thousandths', 1000, 'temperature_n'),
  temperatureMinC: 'min(temperature_min)',
  temperatureMaxC: 'max(temperature_max)',
  throttledShare: mean('throttled', 1, 'throttled_n'),
  powerMeanW: mean('power_mw', 1000, 'power_n'),
  powerMaxW: 'max(power_max)',
  gpuMean: mean('gpu_millionths', 1e6, 'gpu_n'),
  outboxRecordsMax: 'max(outbox_records_max)',
  outboxBytesMax: 'max(outbox_bytes_max)',
  outboxDroppedMax: 'max(outbox_dropped_max)',
} as const;
const told = Object.keys(sums) as (keyof typeof sums)[];
const columns = told.map((name) => `(${sums[name]})::float8 "${name}"`).join(', ');
const orders: Readonly<Record<VitalsQuery['order'], keyof typeof sums>> = {
  temperature: 'temperatureMaxC',
  cpu: 'cpuMean',
  memory: 'memoryShareMax',
  throttled: 'throttledShare',
  power: 'powerMeanW',
  gpu: 'gpuMean',
  outbox: 'outboxRecordsMax',
  drops: 'outboxDroppedMax',
};

const figures = `sum(devices)::int devices, sum(samples)::float8 samples, ${columns}`;

/** What boards felt, put together: means of samples, and the greatest. */
@Injectable()
export class VitalsRepository {
  totals(tx: EntityManager, read: ContentRead, { order, limit }: Pick<VitalsQuery, 'order' | 'limit'>): Promise<VitalsTotals[]> {
    const { values, bind } = binder();
    const inOne = { ...read, question: { ...read.question, step: undefined } };
    return tx.query(
      `SELECT key, NULL at, ${figures} FROM (${keyed(inOne, bind)}) w
       GROUP BY key ORDER BY ${sums[orders[order]]} DESC NULLS LAST, key LIMIT ${limit}`,
      values,
    );
  }

  /** The same by bucket, of these groups only. */
  buckets(tx: EntityManager, read: ContentRead, keys: readonly (readonly string[])[]): Promise<VitalsTotals[]> {
    const { values, bind } = binder();
    return tx.query(
      `SELECT groups.* FROM (SELECT key, at, ${figures} FROM (${keyed(read, bind)}) w GROUP BY key, at) groups
       JOIN ${numbered(keys, bind)} USING (key) ORDER BY at, key`,
      values,
    );
  }
}

const names = vitalsSums.map(({ column }) => column).join(', ');
const ofDevice: Source = { table: '', at: 't.at', device: true, where: () => [] };

function keyed(read: ContentRead, bind: Bind): string {
  const { by } = read.question;
  const key = by.map((dimension) => keyOf(dimension, ofDevice, bind)).join(', ');
  return `SELECT ARRAY[${key}]::text[] key, t.* FROM (${byDevice(read, bind)}) t ${joins(by, {}, ofDevice)}`;
}

/**
 * A row for each device and bucket, its sums, and in `devices` whether it is the only one of both. Buckets of the step's length are as the
 * table has them: to put many thousand devices together for each would take several times as long as all the rest.
 */
function byDevice(read: ContentRead, bind: Bind): string {
  const { plan, question, fresh } = read;
  const [whole, rest] = [plan.parts.filter(isWhole(question)), plan.parts.filter((part) => !isWhole(question)(part))];
  const pieces = rest.map((part) =>
    part.level === 'raw' ? ofRecords(recordsIn(part), question, bind) : ofSums(part, question, bind),
  );
  if (fresh && plan.level !== 'raw') pieces.push(ofRecords(aboveWatermark(read), question, bind));
  const rows = whole.map((part) => `SELECT *, 1 devices FROM (${ofSums(part, question, bind)}) whole`);
  if (pieces.length > 0) rows.push(putTogether(pieces, whole, bind));
  return rows.join(' UNION ALL ');
}

const isWhole =
  ({ step }: Question) =>
  ({ level }: Part) =>
    level === step;

function putTogether(pieces: readonly string[], whole: readonly Part[], bind: Bind): string {
  const there = whole.map(
    ({ level, from, to }) =>
      `EXISTS (SELECT FROM rollup_vitals_${level} r WHERE r.device = its.device AND r.bucket = its.at
        AND r.bucket >= ${bind(new Date(from))} AND r.bucket < ${bind(new Date(to))})`,
  );
  const sums = `SELECT device, at, ${sumsOf('sums')} FROM (${pieces.join(' UNION ALL ')}) pieces GROUP BY device, at`;
  return `SELECT its.*, ${there.length > 0 ? `(NOT (${there.join(' OR ')}))::int` : '1'} devices FROM (${sums}) its`;
}

const recordsIn = (part: Part) => windowsIn(part, () => []);
/** What the rollups do not hold yet. */
const aboveWatermark = ({ plan: { from, to }, watermark }: ContentRead) =>
  windowsIn({ level: 'raw', from, to }, (bind) => [`t.id > ${bind(watermark)}`]);

function ofRecords(source: Source, { filter, step }: Question, bind: Bind): string {
  return `SELECT t.device, ${bucketOf(source.at, step)} at, ${sumsOf('records')} FROM vitals t ${joins([], filter, source)}, ${sentBy('t')}
    WHERE ${[...source.where(bind), ...filters(filter, source, bind)].join(' AND ')} GROUP BY 1, 2`;
}

function ofSums({ level, from, to }: Part, { filter, step }: Question, bind: Bind): string {
  const where = [`t.bucket >= ${bind(new Date(from))}`, `t.bucket < ${bind(new Date(to))}`, ...filters(filter, ofDevice, bind)];
  return `SELECT t.device, ${bucketOf('t.bucket', step)} at, ${names} FROM rollup_vitals_${level} t ${joins([], filter, ofDevice)}
    WHERE ${where.join(' AND ')}`;
}

const bucketOf = (at: string, step: Question['step']) => (step ? `date_trunc('${step}', ${at}, 'UTC')` : 'NULL::timestamptz');
