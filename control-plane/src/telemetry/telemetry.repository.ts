import type { DeviceId, InferenceWindow, SlotName, Vitals } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import type { Placement } from './device-time.js';
import { TelemetryWindowRow, VitalsRow } from './telemetry.entity.js';
import { insertInto, type Column } from './unnest.js';

/** Ids that one statement has drawn, with nobody else's in between. */
export type IdRun = Readonly<{ first: number; last: number }>;

export type StoredWindow = Readonly<{ device: DeviceId; window: InferenceWindow; at: Placement }>;
export type StoredVitals = Readonly<{ device: DeviceId; vitals: Vitals; at: Placement }>;
export type ReleaseTotals = {
  digest: string;
  devices: number;
  ok: number;
  errors: number;
  sheds: number;
  computeCpuUs: number;
};

export type OnDevice = { device: DeviceId; digest: string };
export type BaselineFigures = {
  device: DeviceId;
  windows: number;
  inferences: number;
  meanUs: number;
  p50Us: number;
  p95Us: number;
  rssBytes: number | null;
};

/** Of devices of one hardware class, how many told what. */
export type Told = { hardwareClass: string; devices: number; temperature: number; throttling: number; feedback: number };
export type VerdictFigures = { device: DeviceId; given: number; wrong: number };

const windowColumns: readonly Column<StoredWindow>[] = [
  ['device', 'text', (w) => w.device],
  ['slot', 'text', (w) => w.window.slot],
  ['deployment', 'uuid', (w) => w.window.deployment],
  ['digest', 'text', (w) => w.window.digest],
  ['variant', 'text', (w) => w.window.variant],
  ['started_at', 'timestamptz', (w) => w.at.startedAt],
  ['ended_at', 'timestamptz', (w) => w.at.endedAt],
  ['received_at', 'timestamptz', (w) => w.at.receivedAt],
  ['uncertain', 'boolean', (w) => w.at.uncertain],
  ['ok', 'int', (w) => w.window.ok],
  ['errors', 'int', (w) => w.window.errors],
  ['sheds', 'int', (w) => w.window.sheds],
  ['compute_cpu_us', 'int8', (w) => w.window.computeCpuUs],
  ['queue_first', 'smallint', (w) => w.window.queue.first],
  ['queue', 'int[]', (w) => w.window.queue.counts],
  ['compute_first', 'smallint', (w) => w.window.compute.first],
  ['compute', 'int[]', (w) => w.window.compute.counts],
  ['total_first', 'smallint', (w) => w.window.total.first],
  ['total', 'int[]', (w) => w.window.total.counts],
  ['slow', 'jsonb', (w) => w.window.slow],
  ['classes', 'jsonb', (w) => w.window.classes],
  ['other_classes', 'int', (w) => w.window.otherClasses],
  ['scores', 'int[]', (w) => w.window.scores],
  ['queue_depth_max', 'int', (w) => w.window.queueDepthMax],
  ['rss_bytes', 'int8', (w) => w.window.rssBytes ?? null],
  ['restarts', 'int', (w) => w.window.restarts ?? null],
  ['confirmed', 'int', (w) => w.window.feedback?.confirmed ?? null],
  ['rejected', 'int', (w) => w.window.feedback?.rejected ?? null],
  ['corrected', 'int', (w) => w.window.feedback?.corrected ?? null],
  ['temperature_max_c', 'real', (w) => w.window.temperatureMaxC ?? null],
  ['throttled_ms', 'int', (w) => w.window.throttledMs ?? null],
  ['energy_mj', 'int8', ({ window: { energyJ } }) => (energyJ === undefined ? null : Math.round(energyJ * 1000))],
  ['baseline', 'jsonb', (w) => w.window.baseline ?? null],
];
const vitalsColumns: readonly Column<StoredVitals>[] = [
  ['device', 'text', (v) => v.device],
  ['started_at', 'timestamptz', (v) => v.at.startedAt],
  ['ended_at', 'timestamptz', (v) => v.at.endedAt],
  ['received_at', 'timestamptz', (v) => v.at.receivedAt],
  ['vitals', 'jsonb', (v) => v.vitals],
];

const insertWindows = insertInto('telemetry_window', windowColumns, {
  sql: (insert) => `WITH stored AS (${insert} RETURNING id) SELECT min(id)::float8 first, max(id)::float8 last FROM stored`,
});
const insertVitals = insertInto('vitals', vitalsColumns);

@Injectable()
export class TelemetryRepository {
  constructor(@Inject(DataSource) private readonly db: DataSource) {}

  /** The first and the last id that windows were given; what lies in between may be somebody else's. */
  async insert(tx: EntityManager, windows: readonly StoredWindow[], vitals: readonly StoredVitals[]): Promise<IdRun | undefined> {
    const [run] = windows.length > 0 ? await insertWindows<IdRun>(tx, windows) : [];
    if (vitals.length > 0) await insertVitals(tx, vitals);
    return run;
  }

  /** What windows with at least `least` inferences say of a release on each device since `since`. */
  baselines(
    tx: EntityManager,
    slot: SlotName,
    devices: readonly OnDevice[],
    since: Date,
    least: number,
  ): Promise<BaselineFigures[]> {
    return tx.query(
      `SELECT w.device, count(*)::int windows, sum(w.ok)::int inferences, sum(w.compute_cpu_us)::float8 / sum(w.ok) "meanUs",
              percentile_cont(0.5) WITHIN GROUP (ORDER BY w.compute_cpu_us::float8 / w.ok) "p50Us",
              percentile_cont(0.95) WITHIN GROUP (ORDER BY w.compute_cpu_us::float8 / w.ok) "p95Us",
              percentile_cont(0.95) WITHIN GROUP (ORDER BY w.rss_bytes) "rssBytes"
       FROM telemetry_window w JOIN unnest($1::text[], $2::text[]) d(device, digest) ON w.device = d.device AND w.digest = d.digest
       WHERE w.slot = $3 AND w.received_at >= $4 AND w.ok >= $5 GROUP BY w.device`,
      [devices.map((d) => d.device), devices.map((d) => d.digest), slot, since, least],
    );
  }

  /** Wall time of the same, in the bins of its sketches. */
  wallBins(
    tx: EntityManager,
    slot: SlotName,
    devices: readonly OnDevice[],
    since: Date,
  ): Promise<{ device: DeviceId; bin: number; count: number }[]> {
    return tx.query(
      `SELECT w.device, (w.total_first + b.i - 1)::int bin, sum(b.count)::float8 count
       FROM telemetry_window w JOIN unnest($1::text[], $2::text[]) d(device, digest) ON w.device = d.device AND w.digest = d.digest,
            unnest(w.total) WITH ORDINALITY b(count, i)
       WHERE w.slot = $3 AND w.received_at >= $4 GROUP BY w.device, bin`,
      [devices.map((d) => d.device), devices.map((d) => d.digest), slot, since],
    );
  }

  /** What people and other stations said of a release's predictions on each device; no entry: nothing. */
  verdicts(tx: EntityManager, slot: SlotName, devices: readonly OnDevice[], since: Date): Promise<VerdictFigures[]> {
    return tx.query(
      `SELECT w.device, sum(w.confirmed + w.rejected + w.corrected)::int given, sum(w.rejected + w.corrected)::int wrong
       FROM telemetry_window w JOIN unnest($1::text[], $2::text[]) d(device, digest) ON w.device = d.device AND w.digest = d.digest
       WHERE w.slot = $3 AND w.received_at >= $4 AND w.confirmed IS NOT NULL GROUP BY w.device`,
      [devices.map((d) => d.device), devices.map((d) => d.digest), slot, since],
    );
  }

  told(tx: EntityManager, slot: SlotName, devices: readonly DeviceId[], since: Date): Promise<Told[]> {
    return tx.query(
      `SELECT d.hardware_class "hardwareClass", count(*)::int devices, count(*) FILTER (WHERE t.temperature)::int temperature,
              count(*) FILTER (WHERE t.throttling)::int throttling, count(*) FILTER (WHERE t.feedback)::int feedback
       FROM device d CROSS JOIN LATERAL (
         SELECT bool_or(w.temperature_max_c IS NOT NULL) temperature, bool_or(w.throttled_ms IS NOT NULL) throttling,
                bool_or(w.confirmed IS NOT NULL) feedback
         FROM telemetry_window w WHERE w.device = d.id AND w.slot = $2 AND w.received_at >= $3) t
       WHERE d.id = ANY($1::text[]) GROUP BY d.hardware_class ORDER BY d.hardware_class`,
      [devices, slot, since],
    );
  }

  latestWindows(device: DeviceId, limit: number): Promise<TelemetryWindowRow[]> {
    return this.db
      .getRepository(TelemetryWindowRow)
      .find({ where: { device }, order: { receivedAt: 'DESC', id: 'DESC' }, take: limit });
  }

  latestVitals(device: DeviceId, limit: number): Promise<VitalsRow[]> {
    return this.db.getRepository(VitalsRow).find({ where: { device }, order: { receivedAt: 'DESC', id: 'DESC' }, take: limit });
  }

  totals(since: Date): Promise<ReleaseTotals[]> {
    return this.db.query(
      `SELECT digest, count(DISTINCT device)::int devices, sum(ok)::float8 ok, sum(errors)::float8 errors, sum(sheds)::float8 sheds,
              sum(compute_cpu_us)::float8 "computeCpuUs"
       FROM telemetry_window WHERE received_at >= $1 GROUP BY digest ORDER BY sum(ok) DESC, digest`,
      [since],
    );
  }

  /** Merging fixed bins is addition, so the database does it: counts of total latency per release and bin. */
  latencyBins(since: Date): Promise<{ digest: string; bin: number; count: number }[]> {
    return this.db.query(
      `SELECT w.digest, w.total_first + b.i - 1 bin, sum(b.count)::float8 count
       FROM telemetry_window w, unnest(w.total) WITH ORDINALITY b(count, i)
       WHERE w.received_at >= $1 GROUP BY w.digest, bin ORDER BY w.digest, bin`,
      [since],
    );
  }
}
