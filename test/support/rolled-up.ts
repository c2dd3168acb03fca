import { type InferenceWindow, mergeSketches } from '@flotilla/protocol';
import type { DataSource, EntityManager } from 'typeorm';

export type Placed = Readonly<{ device: string; hardwareClass: string; site: string; endedAt: Date; window: InferenceWindow }>;

const lengthMs = { minute: 60_000, hour: 3_600_000, day: 86_400_000 };
const tables = [
  ['rollup_device_hour', 'hour', 'device'],
  ['rollup_device_day', 'day', 'device'],
  ['rollup_fleet_minute', 'minute', 'fleet'],
  ['rollup_fleet_hour', 'hour', 'fleet'],
  ['rollup_fleet_day', 'day', 'fleet'],
] as const;
const figures = `windows, ok, errors, sheds, restarts, compute_cpu_us, queue_depth_max, rss_bytes_max,
  queue_first, queue, compute_first, compute, total_first, total`;
const keys = { device: 'bucket, slot, digest, variant, device', fleet: 'bucket, slot, digest, variant, hardware_class, site' };

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
    for (const its of Map.groupBy(windows, (each) => JSON.stringify(keyOf(each))).values()) {
      const values = [...keyOf(its[0]!), ...sums(its.map(({ window }) => window))];
      const places = values.map((_, i) => `$${i + 1}`).join(', ');
      await db.query(`INSERT INTO ${table} (${keys[of]}, ${figures}) VALUES (${places})`, values);
    }
  }
}

function sums(windows: readonly InferenceWindow[]): unknown[] {
  const sum = (of: (window: InferenceWindow) => number) => windows.reduce((total, window) => total + of(window), 0);
  const rss = windows.flatMap(({ rssBytes }) => (rssBytes === undefined ? [] : [rssBytes]));
  const sketches = (['queue', 'compute', 'total'] as const).map((name) => mergeSketches(windows.map((window) => window[name])));
  return [
    windows.length,
    ...(['ok', 'errors', 'sheds'] as const).map((name) => sum((window) => window[name])),
    sum(({ restarts }) => restarts ?? 0),
    sum(({ computeCpuUs }) => computeCpuUs),
    Math.max(...windows.map(({ queueDepthMax }) => queueDepthMax)),
    rss.length > 0 ? Math.max(...rss) : null,
    ...sketches.flatMap(({ first, counts }) => [first, counts]),
  ];
}
