import { Inject, Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import { Counters } from '../platform/counters.js';
import { Leader } from '../platform/leader.js';
import type { Logger } from '../platform/logger.js';
import { LOGGER } from '../platform/tokens.js';
import { IdWatermark } from './id-watermark.js';
import { type IdSpan, RollUp, type Taken } from './roll-up.js';
import { sentBy, sumsOf, vitalsSums } from './vitals-sums.js';

/** A row of an hour is written again with each: seldom enough that this is little beside reading what it is made of. */
const everyMs = 10 * 60_000;
/** So many ids take a second or two. */
const portion = 200_000;

const names = vitalsSums.map(({ column }) => column).join(', ');
const added = vitalsSums
  .map(({ column, how }) =>
    how === 'sum'
      ? `${column} = r.${column} + excluded.${column}`
      : // Passes over nulls.
        `${column} = ${how === 'max' ? 'greatest' : 'least'}(r.${column}, excluded.${column})`,
  )
  .join(', ');
const addTo = (table: string, rows: string) =>
  `INSERT INTO ${table} AS r (bucket, device, ${names}) ${rows} ON CONFLICT (bucket, device) DO UPDATE SET ${added}`;

/** Records come once, hours are made of them, days of hours. */
const rollUpSql = `
  WITH hours AS MATERIALIZED (
    SELECT date_bin('1 hour', o.ended_at, 'epoch') bucket, o.device, ${sumsOf('records')}
    FROM vitals o, ${sentBy('o')} WHERE o.id > $1 AND o.id <= $2 GROUP BY 1, 2),
  of_hour AS (${addTo('rollup_vitals_hour', `SELECT bucket, device, ${names} FROM hours`)}),
  of_day AS (${addTo(
    'rollup_vitals_day',
    `SELECT date_bin('1 day', bucket, 'epoch'), device, ${sumsOf('sums')} FROM hours GROUP BY 1, 2`,
  )})
  SELECT coalesce(sum(samples), 0)::float8 rows FROM hours`;

/** Vitals into those of each device's hours and days: by the database, which has them at hand. */
@Injectable()
export class VitalsRollups extends RollUp {
  readonly watermark: IdWatermark;

  constructor(
    @Inject(DataSource) db: DataSource,
    @Inject(Leader) leader: Leader,
    @Inject(Counters) counters: Counters,
    @Inject(LOGGER) log: Logger,
  ) {
    const watermark = new IdWatermark(db, 'vitals');
    super({ what: 'vitals', everyMs, watermark, transaction: (work) => db.transaction(work) }, leader, counters, log);
    this.watermark = watermark;
  }

  protected override take = take;

  protected override took({ rows }: Taken): void {
    this.counters.count('rollup.vitals', rows);
  }
}

async function take(tx: EntityManager, { from, upTo }: IdSpan): Promise<Taken> {
  const last = Math.min(from + portion, upTo);
  const [{ rows }] = await tx.query<[{ rows: number }]>(rollUpSql, [from, last]);
  return { rows, last };
}
