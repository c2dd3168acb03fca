import { type OffendersQuery, sketchLayout } from '@flotilla/protocol';
import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { Bind } from '../fleet/selector-sql.js';
import { binder, type Read } from './query.repository.js';
import { rowsSql } from './question-sql.js';

export type OffenderRow = Readonly<{
  device: string;
  value: number;
  inferences: number;
  hardwareClass: string;
  devices: number;
  median: number;
}>;

const share = (part: string, all: string) => `sum(${part})::float8 / nullif(sum(${all}), 0)`;
type Summed = Exclude<OffendersQuery['by'], 'latency' | 'temperature'>;
const values: Record<Summed, string> = {
  errorRate: share('errors', 'ok + errors'),
  compute: `sum(compute_cpu_us)::float8 / nullif(sum(ok), 0) / 1000`,
  sheds: share('sheds', 'ok + errors + sheds'),
  restarts: 'sum(restarts)::float8',
};
/** The middle of the bin in which the 95th of a hundred lies, milliseconds: as `quantileUs` has it. */
const p95 = `${sketchLayout.minUs} * power(${sketchLayout.gamma}::float8, min(bin) FILTER (WHERE upto > 0.95 * (every - 1)) + 0.5) / 1000`;
const p95OfDevices = `SELECT device, ${p95} value FROM (
    SELECT device, bin, sum(count) OVER (PARTITION BY device ORDER BY bin) upto, sum(count) OVER (PARTITION BY device) every
    FROM (SELECT device, total_first + b.i - 1 bin, sum(b.count)::float8 count
          FROM w, unnest(w.total) WITH ORDINALITY b(count, i) GROUP BY device, bin) bins) counted GROUP BY device`;

/** Devices by one measure, the worst first, with how many there were and their median. */
@Injectable()
export class OffendersRepository {
  worst(tx: EntityManager, read: Read, { by, least, limit }: OffendersQuery): Promise<OffenderRow[]> {
    const { values: bound, bind } = binder();
    const rows = rowsSql(read.plan, read.question, read.watermark, bind);
    const value = valueSql(by, read, bind);
    return tx.query(
      `WITH w AS (${rows}),
         enough AS (SELECT device, sum(ok + errors)::float8 inferences FROM w GROUP BY device HAVING sum(ok + errors) >= ${least}),
         valued AS (SELECT v.device, v.value, e.inferences FROM (${value}) v JOIN enough e ON e.device = v.device WHERE v.value IS NOT NULL)
       SELECT v.*, coalesce(d.hardware_class, '') "hardwareClass", (SELECT count(*) FROM valued)::int devices,
              (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY value) FROM valued) median
       FROM valued v LEFT JOIN device d ON d.id = v.device ORDER BY v.value DESC, v.device LIMIT ${limit}`,
      bound,
    );
  }
}

function valueSql(by: OffendersQuery['by'], { plan }: Read, bind: Bind): string {
  switch (by) {
    case 'latency':
      return p95OfDevices;
    case 'temperature': {
      const [from, to] = [bind(new Date(plan.from)), bind(new Date(plan.to))];
      return `SELECT device, max((vitals ->> 'temperatureC')::float8) value FROM vitals
        WHERE received_at >= ${from} AND ended_at >= ${from} AND ended_at < ${to} GROUP BY device`;
    }
    case 'errorRate':
    case 'compute':
    case 'sheds':
    case 'restarts':
      return `SELECT device, ${values[by]} value FROM w GROUP BY device`;
  }
}
