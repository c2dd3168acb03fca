import { quantileUs, type TailedWindow, type TelemetryFilter } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import type { Bind } from '../fleet/selector-sql.js';
import { binder } from './query.repository.js';
import { conditionsOn } from './question-sql.js';

type WindowRow = Readonly<{
  id: string;
  device: string;
  slot: string;
  release: string;
  variant: string;
  startedAt: Date;
  endedAt: Date;
  receivedAt: Date;
  ok: number;
  errors: number;
  sheds: number;
  restarts: number | null;
  computeCpuUs: string;
  totalFirst: number;
  total: number[];
}>;

/** Windows by id, as they were stored. */
@Injectable()
export class TailRepository {
  constructor(@Inject(DataSource) private readonly db: DataSource) {}

  async between(after: number, until: number, filter: TelemetryFilter, limit: number): Promise<TailedWindow[]> {
    const rows = await this.#select<WindowRow>(
      `t.id, t.device, t.slot, coalesce(r.model || '@' || r.version, t.digest) "release", t.variant, t.started_at "startedAt",
       t.ended_at "endedAt", t.received_at "receivedAt", t.ok, t.errors, t.sheds, t.restarts, t.compute_cpu_us "computeCpuUs",
       t.total_first "totalFirst", t.total`,
      filter,
      (bind) => `t.id > ${bind(after)} AND t.id <= ${bind(until)} ORDER BY t.id LIMIT ${limit}`,
    );
    return rows.map(viewOf);
  }

  /** How many there are after one, and up to another. */
  async count(after: number, until: number, filter: TelemetryFilter): Promise<number> {
    const meant = (bind: Bind) => `t.id > ${bind(after)} AND t.id <= ${bind(until)}`;
    const [row] = await this.#select<{ count: number }>('count(*)::int count', filter, meant);
    return row!.count;
  }

  /** The place behind which the last `count` of them lie, of what was received since. */
  async placeBefore(count: number, filter: TelemetryFilter, since: Date): Promise<number | undefined> {
    const meant = (bind: Bind) => `t.received_at >= ${bind(since)} ORDER BY t.id DESC LIMIT ${count}`;
    const rows = await this.#select<{ id: string }>('t.id', filter, meant);
    const first = rows.at(-1);
    return first && Number(first.id) - 1;
  }

  #select<T>(columns: string, filter: TelemetryFilter, meant: (bind: Bind) => string): Promise<T[]> {
    const { values, bind } = binder();
    const { joins, conditions } = conditionsOn('device', filter, bind);
    return this.db.query(
      `SELECT ${columns} FROM telemetry_window t ${joins} WHERE ${[...conditions, meant(bind)].join(' AND ')}`,
      values,
    );
  }
}

function viewOf({ id, restarts, computeCpuUs, totalFirst, total, ...row }: WindowRow): TailedWindow {
  const p95 = quantileUs({ first: totalFirst, counts: total }, 0.95);
  return {
    ...row,
    id: Number(id),
    startedAt: row.startedAt.toISOString(),
    endedAt: row.endedAt.toISOString(),
    receivedAt: row.receivedAt.toISOString(),
    ...(restarts !== null && { restarts }),
    ...(row.ok > 0 && { meanComputeMs: Number((Number(computeCpuUs) / row.ok / 1000).toPrecision(4)) }),
    ...(p95 !== undefined && { p95Ms: Number((p95 / 1000).toPrecision(4)) }),
  };
}
