import { RollupSum, type Figures } from './rollup-sum.js';

export type RolledWindow = Readonly<{
  /** Milliseconds since 1970. */
  endedAt: number;
  device: string;
  slot: string;
  digest: string;
  variant: string;
  hardwareClass: string;
  site: string;
  figures: Figures;
}>;
/** One window, or several that ended in one minute, before it is known where its device stands. */
export type UnplacedWindow = Omit<RolledWindow, 'hardwareClass' | 'site'>;
export type Place = Readonly<Pick<RolledWindow, 'hardwareClass' | 'site'>>;
/** Beginning of the bucket, then the other columns of the table's key in their order. */
export type RollupKey = readonly [bucket: number, ...rest: string[]];

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const deviceKey = ['device', 'slot', 'digest', 'variant'] as const;
const fleetKey = ['digest', 'variant', 'hardware_class', 'site', 'slot'] as const;

/** Each table, how long its buckets are, and of which table's rows its own are sums. */
export const levels = {
  rollup_device_hour: { span: hour, key: deviceKey, bins: 'int[]', of: 'windows' },
  rollup_device_day: { span: day, key: deviceKey, bins: 'int[]', of: 'rollup_device_hour' },
  rollup_fleet_minute: { span: minute, key: fleetKey, bins: 'int8[]', of: 'windows' },
  rollup_fleet_hour: { span: hour, key: fleetKey, bins: 'int8[]', of: 'rollup_fleet_minute' },
  rollup_fleet_day: { span: day, key: fleetKey, bins: 'int8[]', of: 'rollup_fleet_hour' },
} as const;
export type RollupTable = keyof typeof levels;
export const rollupTables = Object.keys(levels) as RollupTable[];

/** What is to be added to the rows of one table. */
export class TableSums {
  readonly #sums = new Map<string, { key: RollupKey; sum: RollupSum }>();

  add(key: RollupKey, figures: Figures): void {
    // No text in the database holds a NUL.
    const name = key.join('\0');
    let entry = this.#sums.get(name);
    if (!entry) this.#sums.set(name, (entry = { key, sum: new RollupSum() }));
    entry.sum.add(figures);
  }

  get size(): number {
    return this.#sums.size;
  }

  entries(): { key: RollupKey; sum: RollupSum }[] {
    return [...this.#sums.values()];
  }
}

/** Every table's part of windows that come in portions. */
export class LevelSums {
  readonly #sums = Object.fromEntries(rollupTables.map((table) => [table, new TableSums()])) as Record<RollupTable, TableSums>;

  /** Rows that they would change, of the tables that windows go into themselves. */
  get rows(): number {
    return this.#sums.rollup_device_hour.size + this.#sums.rollup_fleet_minute.size;
  }

  add(windows: readonly (UnplacedWindow & Place)[]): void {
    const { rollup_device_hour: ofDevice, rollup_fleet_minute: ofFleet } = this.#sums;
    for (const { endedAt, device, slot, digest, variant, hardwareClass, site, figures } of windows) {
      ofDevice.add([bucketOf(endedAt, hour), device, slot, digest, variant], figures);
      ofFleet.add([bucketOf(endedAt, minute), digest, variant, hardwareClass, site, slot], figures);
    }
  }

  /** All of them, once nothing more comes. */
  finish(): Record<RollupTable, TableSums> {
    for (const table of rollupTables) {
      const { of, span } = levels[table];
      if (of === 'windows') continue;
      for (const { key, sum } of this.#sums[of].entries()) {
        const [bucket, ...rest] = key;
        this.#sums[table].add([bucketOf(bucket, span), ...rest], sum);
      }
    }
    return this.#sums;
  }
}

export const minuteOf = (at: number) => bucketOf(at, minute);
export const hourOf = (at: number) => bucketOf(at, hour);
export const dayOf = (at: number) => bucketOf(at, day);
const bucketOf = (at: number, span: number) => Math.floor(at / span) * span;
