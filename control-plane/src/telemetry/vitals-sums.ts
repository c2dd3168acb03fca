type Sum = Readonly<{
  column: string;
  type: 'int' | 'int8' | 'real';
  how: 'sum' | 'max' | 'min';
  /** Of records. Sums are of whole numbers, so that they are the same in whatever order they are added. */
  ofRecords: string;
}>;

/** Names and types as devices send them: read in one pass. `v` of the column `vitals` of `row`. */
export const sentBy = (row: string) =>
  `jsonb_to_record(${row}.vitals) v(cpu float8, "memoryUsedBytes" float8, "memoryTotalBytes" float8, "supervisorRssBytes" float8,
    "runnerRssBytes" float8, "temperatureC" float8, throttled boolean, "powerW" float8, gpu float8, "outboxRecords" float8,
    "outboxBytes" float8, "outboxDropped" float8)`;

const count = (column: string, field: string): Sum => ({ column, type: 'int', how: 'sum', ofRecords: `count(v.${field})` });
const sum = (column: string, field: string, per: number): Sum => {
  return { column, type: 'int8', how: 'sum', ofRecords: `coalesce(sum(round(v.${field} * ${per})), 0)` };
};
const most = (column: string, field: string, type: Sum['type'] = 'real'): Sum => {
  return { column, type, how: 'max', ofRecords: `max(v.${field})` };
};

/** What vitals of one device and hour (or day) say together. Absent is unknown, so each mean has its own count. */
export const vitalsSums: readonly Sum[] = [
  { column: 'samples', type: 'int', how: 'sum', ofRecords: 'count(*)' },
  count('cpu_n', 'cpu'),
  sum('cpu_millionths', 'cpu', 1e6),
  most('cpu_max', 'cpu'),
  most('memory_used_max', '"memoryUsedBytes"', 'int8'),
  {
    column: 'memory_share_max',
    type: 'real',
    how: 'max',
    ofRecords: `max(v."memoryUsedBytes" / nullif(v."memoryTotalBytes", 0))`,
  },
  most('supervisor_rss_max', '"supervisorRssBytes"', 'int8'),
  most('runner_rss_max', '"runnerRssBytes"', 'int8'),
  count('temperature_n', '"temperatureC"'),
  sum('temperature_thousandths', '"temperatureC"', 1000),
  { column: 'temperature_min', type: 'real', how: 'min', ofRecords: 'min(v."temperatureC")' },
  most('temperature_max', '"temperatureC"'),
  count('throttled_n', 'throttled'),
  { column: 'throttled', type: 'int', how: 'sum', ofRecords: 'count(*) FILTER (WHERE v.throttled)' },
  count('power_n', '"powerW"'),
  sum('power_mw', '"powerW"', 1000),
  most('power_max', '"powerW"'),
  count('gpu_n', 'gpu'),
  sum('gpu_millionths', 'gpu', 1e6),
  most('gpu_max', 'gpu'),
  most('outbox_records_max', '"outboxRecords"', 'int8'),
  most('outbox_bytes_max', '"outboxBytes"', 'int8'),
  most('outbox_dropped_max', '"outboxDropped"', 'int8'),
];

/** The columns, of records or of rows that have them already. */
export const sumsOf = (rows: 'records' | 'sums') =>
  vitalsSums
    .map(({ column, type, how, ofRecords }) => `(${rows === 'records' ? ofRecords : `${how}(${column})`})::${type} ${column}`)
    .join(', ');
