import type { Sketch } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import { levels, type Place, type RolledWindow, type RollupKey, type RollupTable, type TableSums } from './rollup-levels.js';
import type { Figures, RollupSum } from './rollup-sum.js';
import { evidenceKeys, evidenceSums, type EvidenceSums } from './evidence-sums.js';
import { IdWatermark } from './id-watermark.js';
import type { IdRun } from './telemetry.repository.js';
import { rowsAt } from './rows-at.js';
import { insertInto, type Column } from './unnest.js';

const source = 'telemetry_window';
type Flat = Omit<Figures, 'queue' | 'compute' | 'total' | 'evidence'> &
  EvidenceSums &
  Record<'queueFirst' | 'computeFirst' | 'totalFirst', number> &
  Record<'queue' | 'compute' | 'total', string>;

const sketches = (row: string) =>
  ['queue', 'compute', 'total'].map((name) => `${row}.${name}_first "${name}First", ${row}.${name}::text`).join(', ');

const place = `coalesce(d.hardware_class, '') "hardwareClass", coalesce(d.labels ->> 'site', '') site`;
const nowhere: Place = { hardwareClass: '', site: '' };

const windowsSql = `
  SELECT date_part('epoch', w.ended_at) * 1000 "endedAt", w.device, w.slot, w.digest, w.variant,
         ${place},
         1 windows, w.ok, w.errors, w.sheds, coalesce(w.restarts, 0) restarts, w.compute_cpu_us::float8 "computeCpuUs",
         w.queue_depth_max "queueDepthMax", w.rss_bytes::float8 "rssBytesMax",
         w.temperature_max_c::float8 "temperatureMaxC", ${evidenceKeys.map((key) => `(${evidenceSums[key].ofWindow('w')})::float8 "${key}"`).join(', ')},
         ${sketches('w')}
  FROM ${source} w LEFT JOIN device d ON d.id = w.device WHERE w.id > $1 AND w.id <= $2`;

/** Windows, the tables they are rolled up into, and how far that is. */
@Injectable()
export class RollupRepository {
  readonly watermark: IdWatermark;

  constructor(@Inject(DataSource) private readonly db: DataSource) {
    this.watermark = new IdWatermark(db, source);
  }

  transaction<T>(work: (tx: EntityManager) => Promise<T>): Promise<T> {
    return this.db.transaction(work);
  }

  async windows(tx: EntityManager, after: number, upTo: number): Promise<RolledWindow[]> {
    const rows = await tx.query<(Omit<RolledWindow, 'figures'> & Flat)[]>(windowsSql, [after, upTo]);
    return rows.map((row) => ({ ...row, figures: figuresOf(row) }));
  }

  /** First ids of the runs of which every row is there: what was deleted since it came must not be counted. */
  async whole(tx: EntityManager, runs: readonly IdRun[]): Promise<ReadonlySet<number>> {
    const rows = await tx.query<{ first: number }[]>(
      `SELECT r.first::float8 first FROM unnest($1::int8[], $2::int8[]) r(first, last)
       WHERE (SELECT count(*) FROM ${source} w WHERE w.id BETWEEN r.first AND r.last) = r.last - r.first + 1`,
      [runs.map(({ first }) => first), runs.map(({ last }) => last)],
    );
    return new Set(rows.map(({ first }) => first));
  }

  /** As `windows` tells it of each window. */
  async places(tx: EntityManager, devices: Iterable<string>): Promise<(device: string) => Place> {
    const rows = await tx.query<(Place & { device: string })[]>(
      `SELECT id device, ${place} FROM device d WHERE id = ANY($1::text[])`,
      [[...devices]],
    );
    const found = new Map(rows.map(({ device, hardwareClass, site }) => [device, { hardwareClass, site }]));
    return (device) => found.get(device) ?? nowhere;
  }

  /** Adds what is there already, then writes the whole: whoever holds the watermark is alone with these tables. */
  async add(tx: EntityManager, table: RollupTable, sums: TableSums): Promise<void> {
    const found = await this.rows(
      tx,
      table,
      sums.entries().map(({ key }) => key),
    );
    for (const { key, figures } of found) sums.add(key, figures);
    if (sums.entries().length > 0) await writeRollup[table](tx, sums.entries());
  }

  private async rows(
    tx: EntityManager,
    table: RollupTable,
    keys: readonly RollupKey[],
  ): Promise<{ key: RollupKey; figures: Figures }[]> {
    const columns = `r.windows::float8 windows, r.ok::float8 ok, r.errors::float8 errors, r.sheds::float8 sheds, r.restarts::float8 restarts,
      r.compute_cpu_us::float8 "computeCpuUs", r.queue_depth_max "queueDepthMax", r.rss_bytes_max::float8 "rssBytesMax",
      r.temperature_max_c::float8 "temperatureMaxC", ${evidenceKeys.map((key) => `r.${evidenceSums[key].column}::float8 "${key}"`).join(', ')},
      ${sketches('r')}`;
    const rows = await rowsAt<Flat>(tx, { table, key: levels[table].key, columns }, keys);
    return rows.map(({ bucket, key, ...row }) => ({ key: [bucket, ...key], figures: figuresOf(row) }));
  }
}

function figuresOf(row: Flat): Figures {
  const { windows, ok, errors, sheds, restarts, computeCpuUs, queueDepthMax, rssBytesMax, temperatureMaxC } = row;
  const { confirmed, rejected, corrected, throttledMs, throttledOfMs, energyMj, energyOk } = row;
  return {
    windows,
    ok,
    errors,
    sheds,
    restarts,
    computeCpuUs,
    queueDepthMax,
    rssBytesMax,
    temperatureMaxC,
    evidence: { confirmed, rejected, corrected, throttledMs, throttledOfMs, energyMj, energyOk },
    queue: sketchFrom(row.queueFirst, row.queue),
    compute: sketchFrom(row.computeFirst, row.compute),
    total: sketchFrom(row.totalFirst, row.total),
  };
}

/** The database's own notation: several times as fast as the driver's reading of an array. */
const sketchFrom = (first: number, text: string): Sketch => ({ first, counts: JSON.parse(`[${text.slice(1, -1)}]`) as number[] });

type Entry = Readonly<{ key: RollupKey; sum: RollupSum }>;

function writerOf(table: RollupTable): (tx: EntityManager, rows: readonly Entry[]) => Promise<unknown> {
  const { key, bins } = levels[table];
  const most = bins === 'int[]' ? 2 ** 31 - 1 : Number.MAX_SAFE_INTEGER;
  const figures: readonly Column<Entry>[] = [
    ['windows', 'int8', ({ sum }) => sum.windows],
    ['ok', 'int8', ({ sum }) => sum.ok],
    ['errors', 'int8', ({ sum }) => sum.errors],
    ['sheds', 'int8', ({ sum }) => sum.sheds],
    ['restarts', 'int8', ({ sum }) => sum.restarts],
    ['compute_cpu_us', 'int8', ({ sum }) => sum.computeCpuUs],
    ['queue_depth_max', 'int', ({ sum }) => sum.queueDepthMax],
    ['rss_bytes_max', 'int8', ({ sum }) => sum.rssBytesMax],
    ['temperature_max_c', 'real', ({ sum }) => sum.temperatureMaxC],
    ...evidenceKeys.map((key): Column<Entry> => [evidenceSums[key].column, 'int8', ({ sum }) => sum.evidence[key]]),
    ...(['queue', 'compute', 'total'] as const).flatMap((name): Column<Entry>[] => [
      [`${name}_first`, 'smallint', ({ sum }) => sum[name].first],
      [name, bins, ({ sum }) => sum[name].counts.map((count) => Math.min(count, most))],
    ]),
  ];
  const keys: readonly Column<Entry>[] = [
    ['bucket', 'timestamptz', (row) => new Date(row.key[0])],
    ...key.map((name, i): Column<Entry> => [name, 'text', (row) => row.key[i + 1]]),
  ];
  const names = keys.map(([name]) => name).join(', ');
  const set = figures.map(([name]) => `${name} = excluded.${name}`).join(', ');
  return insertInto(table, [...keys, ...figures], {
    onConflict: `ON CONFLICT (${names}) DO UPDATE SET ${set}`,
  });
}

export const writeRollup = {
  rollup_device_hour: writerOf('rollup_device_hour'),
  rollup_device_day: writerOf('rollup_device_day'),
  rollup_fleet_minute: writerOf('rollup_fleet_minute'),
  rollup_fleet_hour: writerOf('rollup_fleet_hour'),
  rollup_fleet_day: writerOf('rollup_fleet_day'),
};
