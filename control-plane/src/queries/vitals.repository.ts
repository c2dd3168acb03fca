import type { VitalsQuery } from '@flotilla/protocol';
import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { binder, numbered, type Read } from './query.repository.js';
import { rowsOf } from './question-sql.js';

/** Null where nobody told. */
export type VitalsTotals = Readonly<{ key: string[]; at: Date | null; devices: number; samples: number }> &
  Readonly<Record<(typeof told)[number], number | null>>;

/** Names and types as devices send them: read in one pass. */
const sent = `jsonb_to_record(o.vitals) v(cpu float8, "memoryUsedBytes" float8, "memoryTotalBytes" float8, "supervisorRssBytes" float8,
  "runnerRssBytes" float8, "temperatureC" float8, throttled boolean, "powerW" float8, gpu float8, "outboxRecords" float8,
  "outboxBytes" float8, "outboxDropped" float8)`;
const sums = {
  cpuMean: 'avg(cpu)',
  cpuMax: 'max(cpu)',
  memoryUsedMaxBytes: 'max("memoryUsedBytes")',
  memoryShareMax: 'max("memoryUsedBytes" / nullif("memoryTotalBytes", 0))',
  supervisorRssMaxBytes: 'max("supervisorRssBytes")',
  runnerRssMaxBytes: 'max("runnerRssBytes")',
  temperatureMeanC: 'avg("temperatureC")',
  temperatureMaxC: 'max("temperatureC")',
  throttledShare: 'avg(throttled::int)',
  powerMeanW: 'avg("powerW")',
  powerMaxW: 'max("powerW")',
  gpuMean: 'avg(gpu)',
  outboxRecordsMax: 'max("outboxRecords")',
  outboxBytesMax: 'max("outboxBytes")',
  outboxDroppedMax: 'max("outboxDropped")',
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

/** What boards felt, put together: means of samples, and the greatest. */
@Injectable()
export class VitalsRepository {
  totals(tx: EntityManager, read: Read, { order, limit }: Pick<VitalsQuery, 'order' | 'limit'>): Promise<VitalsTotals[]> {
    const { values, bind } = binder();
    return tx.query(
      `SELECT key, NULL at, count(DISTINCT device)::int devices, count(*)::int samples, ${columns}
       FROM (${vitalsOf({ ...read, question: { ...read.question, step: undefined } }, bind)}) w
       GROUP BY key ORDER BY ${sums[orders[order]]} DESC NULLS LAST, key LIMIT ${limit}`,
      values,
    );
  }

  /** The same by bucket, of these groups only. */
  buckets(tx: EntityManager, read: Read, keys: readonly (readonly string[])[]): Promise<VitalsTotals[]> {
    const { values, bind } = binder();
    return tx.query(
      `SELECT key, at, count(DISTINCT device)::int devices, count(*)::int samples, ${columns}
       FROM (${vitalsOf(read, bind)}) w JOIN ${numbered(keys, bind)} USING (key) GROUP BY key, at ORDER BY at, key`,
      values,
    );
  }
}

const vitalsOf = ({ plan, question }: Read, bind: (value: unknown) => string) =>
  `SELECT o.key, o.at, o.device, v.* FROM (${rowsOf('vitals', plan, question, 't.vitals', bind)}) o, ${sent}`;
