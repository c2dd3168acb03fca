import { type InferenceWindow, mergeSketches } from '@flotilla/protocol';
import type { DataSource, EntityManager } from 'typeorm';

export type Placed = Readonly<{ device: string; hardwareClass: string; site: string; endedAt: Date; window: InferenceWindow }>;

/** Each window's length. */
export const lastedMs = 10_000;
const lengthMs = { minute: 60_000, hour: 3_600_000, day: 86_400_000 };
const tables = [
  ['rollup_device_hour', 'hour', 'device'],
  ['rollup_device_day', 'day', 'device'],
  ['rollup_fleet_minute', 'minute', 'fleet'],
  ['rollup_fleet_hour', 'hour', 'fleet'],
  ['rollup_fleet_day', 'day', 'fleet'],
] as const;
const names = {
  device: ['bucket', 'slot', 'digest', 'variant', 'device'],
  fleet: ['bucket', 'slot', 'digest', 'variant', 'hardware_class', 'site'],
};

/** The rollups of these windows, all in all, and the watermark where they end: made here, and not as the control plane makes them. */
export const rollUp = (db: DataSource, windows: readonly Placed[], upTo: number): Promise<void> =>
  db.transaction((tx) => write(tx, windows, upTo));

async function write(db: EntityManager, windows: readonly Placed[], upTo: number): Promise<void> {
  await db.query(`DELETE FROM rollup_watermark`);
  await db.query(`INSERT INTO rollup_watermark (name, up_to) VALUES ('telemetry_window', $1)`, [upTo]);
  for (const [table, length, of] of tables) {
    await db.query(`DELETE FROM ${table}`);
    const keyOf = ({ device, hardwareClass, site, endedAt, window: { slot, digest, variant } }: Placed) => {
      const bucket = new Date(Math.floor(endedAt.getTime() / lengthMs[length]) * lengthMs[length]);
      return [bucket, slot, digest, variant, ...(of === 'device' ? [device] : [hardwareClass, site])];
    };
    const rows = [...Map.groupBy(windows, (each) => JSON.stringify(keyOf(each))).values()].map((its) => ({
      ...Object.fromEntries(names[of].map((name, i) => [name, keyOf(its[0]!)[i]])),
      ...sums(its.map(({ window }) => window)),
    }));
    await db.query(`INSERT INTO ${table} SELECT * FROM json_populate_recordset(NULL::${table}, $1)`, [JSON.stringify(rows)]);
  }
}

function sums(windows: readonly InferenceWindow[]): object {
  const sum = (of: (window: InferenceWindow) => number) => windows.reduce((total, window) => total + of(window), 0);
  const rss = windows.flatMap(({ rssBytes }) => (rssBytes === undefined ? [] : [rssBytes]));
  return {
    windows: windows.length,
    ok: sum(({ ok }) => ok),
    errors: sum(({ errors }) => errors),
    sheds: sum(({ sheds }) => sheds),
    restarts: sum(({ restarts }) => restarts ?? 0),
    compute_cpu_us: sum(({ computeCpuUs }) => computeCpuUs),
    queue_depth_max: Math.max(...windows.map(({ queueDepthMax }) => queueDepthMax)),
    rss_bytes_max: rss.length > 0 ? Math.max(...rss) : null,
    ...sketch('queue', windows),
    ...sketch('compute', windows),
    ...sketch('total', windows),
    ...evidenceOf(windows, sum),
  };
}

function sketch(name: 'queue' | 'compute' | 'total', windows: readonly InferenceWindow[]): object {
  const { first, counts } = mergeSketches(windows.map((window) => window[name]));
  return { [`${name}_first`]: first, [name]: counts };
}

function evidenceOf(windows: readonly InferenceWindow[], sum: (of: (window: InferenceWindow) => number) => number): object {
  const celsius = windows.flatMap(({ temperatureMaxC }) => temperatureMaxC ?? []);
  return {
    confirmed: sum(({ feedback }) => feedback?.confirmed ?? 0),
    rejected: sum(({ feedback }) => feedback?.rejected ?? 0),
    corrected: sum(({ feedback }) => feedback?.corrected ?? 0),
    temperature_max_c: celsius.length > 0 ? Math.max(...celsius) : null,
    throttled_ms: sum(({ throttledMs }) => throttledMs ?? 0),
    throttled_of_ms: sum(({ throttledMs }) => (throttledMs === undefined ? 0 : lastedMs)),
    energy_mj: sum(({ energyJ }) => Math.round((energyJ ?? 0) * 1000)),
    energy_ok: sum(({ energyJ, ok }) => (energyJ === undefined ? 0 : ok)),
  };
}
