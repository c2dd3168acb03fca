import { EntitySchema, type EntitySchemaColumnOptions } from 'typeorm';
import { evidenceKeys, evidenceSums } from './evidence-sums.js';
import { int8 } from '../platform/number-column.js';

/** What windows that ended in one bucket say together. All of it adds up, or is a maximum: in whatever order they come, it is the same. */
export interface RollupFigures {
  /** Where the hour, minute or day (UTC) begins. */
  bucket: Date;
  slot: string;
  digest: string;
  variant: string;
  windows: number;
  ok: number;
  errors: number;
  sheds: number;
  restarts: number;
  computeCpuUs: number;
  queueDepthMax: number;
  rssBytesMax: number | null;
  temperatureMaxC: number | null;
  /** See `evidenceSums`. */
  confirmed: number;
  rejected: number;
  corrected: number;
  throttledMs: number;
  throttledOfMs: number;
  energyMj: number;
  energyOk: number;
  /** Latency sketches as in telemetry_window: the fixed bins of `sketchLayout` from bin `…First` on. */
  queueFirst: number;
  queue: string[] | number[];
  computeFirst: number;
  compute: string[] | number[];
  totalFirst: number;
  total: string[] | number[];
}

export interface DeviceRollupRow extends RollupFigures {
  device: string;
}

/** How many devices it was is not kept here (it does not add up): the device rollups tell. */
export interface FleetRollupRow extends RollupFigures {
  /** As they were when the window was rolled up; an empty site: the device had no such label. */
  hardwareClass: string;
  site: string;
}

export interface RollupWatermarkRow {
  /** What is made, of which table: see `IdWatermark`. */
  name: string;
  /** Of all the table's rows up to this id, each is in it, and none above it. */
  upTo: number;
  /** All that was stored by then is in it; null: not yet so. */
  at: Date | null;
}

type Columns = Record<string, EntitySchemaColumnOptions>;
const key = (type: 'text' | 'timestamptz'): EntitySchemaColumnOptions => ({ type, primary: true });
const sum: EntitySchemaColumnOptions = { type: 'int8', transformer: int8 };

/** One device's bins stay below 2^31 (25,000 inferences a second in one of them, all day), and these are most of the bytes. */
const figures = (bin: 'int' | 'int8'): Columns => ({
  windows: sum,
  ok: sum,
  errors: sum,
  sheds: sum,
  restarts: sum,
  computeCpuUs: { ...sum, name: 'compute_cpu_us' },
  queueDepthMax: { type: 'int', name: 'queue_depth_max' },
  rssBytesMax: { ...sum, name: 'rss_bytes_max', nullable: true },
  ...Object.fromEntries(evidenceKeys.map((key) => [key, { ...sum, name: evidenceSums[key].column, default: 0 }])),
  temperatureMaxC: { type: 'real', name: 'temperature_max_c', nullable: true },
  queueFirst: { type: 'smallint', name: 'queue_first' },
  queue: { type: bin, array: true },
  computeFirst: { type: 'smallint', name: 'compute_first' },
  compute: { type: bin, array: true },
  totalFirst: { type: 'smallint', name: 'total_first' },
  total: { type: bin, array: true },
});

const deviceRollup = (name: string) =>
  new EntitySchema<DeviceRollupRow>({
    name,
    columns: {
      bucket: key('timestamptz'),
      device: key('text'),
      slot: key('text'),
      digest: key('text'),
      variant: key('text'),
      ...figures('int'),
    },
    indices: [{ name: `${name}_of`, columns: ['device', 'bucket'] }],
  });
const fleetRollup = (name: string) =>
  new EntitySchema<FleetRollupRow>({
    name,
    columns: {
      bucket: key('timestamptz'),
      digest: key('text'),
      variant: key('text'),
      hardwareClass: { ...key('text'), name: 'hardware_class' },
      site: key('text'),
      slot: key('text'),
      ...figures('int8'),
    },
  });

export const DeviceHourRow = deviceRollup('rollup_device_hour');
export const DeviceDayRow = deviceRollup('rollup_device_day');
export const FleetMinuteRow = fleetRollup('rollup_fleet_minute');
export const FleetHourRow = fleetRollup('rollup_fleet_hour');
export const FleetDayRow = fleetRollup('rollup_fleet_day');

export const RollupWatermarkRow = new EntitySchema<RollupWatermarkRow>({
  name: 'rollup_watermark',
  columns: {
    name: { type: 'text', primary: true },
    upTo: { type: 'int8', name: 'up_to', transformer: int8 },
    at: { type: 'timestamptz', nullable: true },
  },
});
