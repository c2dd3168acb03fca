import type { ExportSource } from '@flotilla/protocol';
import { evidenceKeys, evidenceSums } from '../telemetry/evidence-sums.js';

/** What a column holds. Lists are of whole numbers; `json` is whatever the device sent. */
export type Kind = 'text' | 'int' | 'float' | 'bool' | 'time' | 'ints' | 'json';
/** `sql`: of the row `t`, its release `r`, its device `device`. */
export type Column = Readonly<{ name: string; kind: Kind; sql: string }>;
export type Table = Readonly<{
  table: string;
  /** When it was, and in what order pages follow one another: the columns of an index, and of them unique. */
  time: string;
  order: readonly Column[];
  columns: readonly Column[];
  /** Rows of windows and vitals have ids: those that come while somebody reads are left out. */
  id: boolean;
  of: 'device' | 'fleet' | 'vitals';
}>;

const column = (kind: Kind, ...names: readonly string[]): Column[] => names.map((name) => ({ name, kind, sql: `t.${name}` }));
const release: Column = { name: 'release', kind: 'text', sql: `r.model || '@' || r.version` };
const sketch = (name: string): Column[] => [...column('int', `${name}_first`), ...column('ints', name)];
const sketches = ['queue', 'compute', 'total'].flatMap(sketch);
const received = [...column('time', 'received_at'), ...column('int', 'id')];

const windows: Table = {
  table: 'telemetry_window',
  time: 't.ended_at',
  order: received,
  id: true,
  of: 'device',
  columns: [
    ...column('text', 'device', 'slot'),
    { name: 'deployment', kind: 'text', sql: 't.deployment::text' },
    release,
    ...column('text', 'digest', 'variant'),
    ...column('time', 'started_at', 'ended_at', 'received_at'),
    ...column('bool', 'uncertain'),
    ...column('int', 'ok', 'errors', 'sheds', 'restarts', 'compute_cpu_us', 'rss_bytes', 'queue_depth_max'),
    ...column('int', 'confirmed', 'rejected', 'corrected', 'throttled_ms', 'energy_mj'),
    ...column('float', 'temperature_max_c'),
    ...sketches,
    ...column('json', 'slow', 'classes'),
    ...column('int', 'other_classes'),
    ...column('ints', 'scores'),
  ],
};

const vital = (name: string, kind: Kind, type: string): Column => ({
  name: name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
  kind,
  sql: `(t.vitals ->> '${name}')::${type}`,
});
const vitals: Table = {
  table: 'vitals',
  time: 't.ended_at',
  order: received,
  id: true,
  of: 'vitals',
  columns: [
    ...column('text', 'device'),
    ...column('time', 'started_at', 'ended_at', 'received_at'),
    ...['cpu', 'temperatureC', 'powerW', 'gpu'].map((name) => vital(name, 'float', 'float8')),
    { ...vital('gpuMHz', 'float', 'float8'), name: 'gpu_mhz' },
    vital('throttled', 'bool', 'boolean'),
    ...['memoryUsedBytes', 'memoryTotalBytes', 'supervisorRssBytes', 'runnerRssBytes'].map((name) => vital(name, 'int', 'int8')),
    ...['outboxRecords', 'outboxBytes', 'outboxDropped'].map((name) => vital(name, 'int', 'int8')),
    ...column('json', 'vitals'),
  ],
};

const figures = [
  ...column('int', 'windows', 'ok', 'errors', 'sheds', 'restarts', 'compute_cpu_us', 'rss_bytes_max', 'queue_depth_max'),
  ...column('int', ...evidenceKeys.map((key) => evidenceSums[key].column)),
  ...column('float', 'temperature_max_c'),
  ...sketches,
];
function rollup(of: 'device' | 'fleet', bucket: string): Table {
  const bySite = ['digest', 'variant', 'hardware_class', 'site', 'slot'];
  const order = [
    ...column('time', 'bucket'),
    ...column('text', ...(of === 'device' ? ['device', 'slot', 'digest', 'variant'] : bySite)),
  ];
  return { table: `rollup_${of}_${bucket}`, time: 't.bucket', order, id: false, of, columns: [...order, release, ...figures] };
}

export const exportTables: Readonly<Record<ExportSource, Table>> = {
  windows,
  vitals,
  'device-hours': rollup('device', 'hour'),
  'device-days': rollup('device', 'day'),
  'fleet-minutes': rollup('fleet', 'minute'),
  'fleet-hours': rollup('fleet', 'hour'),
  'fleet-days': rollup('fleet', 'day'),
};
