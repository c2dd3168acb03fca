import type { DataSource } from 'typeorm';

export type Extent = Readonly<{ devices: number; days: number; digests: readonly [string, string] }>;

const sites = 20;
const classes = 3;
/** What is not kept by minute for longer need not be there. */
const minuteDays = 7;
const tables = {
  rollup_device_hour: { step: 'hour', of: 'device' },
  rollup_device_day: { step: 'day', of: 'device' },
  rollup_fleet_minute: { step: 'minute', of: 'fleet' },
  rollup_fleet_hour: { step: 'hour', of: 'fleet' },
  rollup_fleet_day: { step: 'day', of: 'fleet' },
  rollup_vitals_hour: { step: 'hour', of: 'vitals' },
  rollup_vitals_day: { step: 'day', of: 'vitals' },
} as const;

/** A fleet and its rollups, straight into the tables: each device infers all the time, on the new release for the last half. */
export async function fill(db: DataSource, extent: Extent, log: (line: string) => void): Promise<void> {
  await makeDevices(db, extent.devices);
  for (const table of Object.keys(tables) as (keyof typeof tables)[]) {
    const begun = performance.now();
    const restore = await withoutIndexes(db, table);
    // A day at a time: what one statement sorts and keeps stays small.
    for (let day = 1; day <= extent.days; day++) await fillDay(db, table, extent, day);
    await restore();
    await db.query(`ANALYZE ${table}`);
    const [size] = await db.query<{ rows: number; mb: number }[]>(
      `SELECT reltuples::float8 "rows", pg_total_relation_size(oid) / 1e6 mb FROM pg_class WHERE relname = $1`,
      [table],
    );
    const seconds = ((performance.now() - begun) / 1000).toFixed(0);
    log(`  ${table}: ${(size!.rows / 1e6).toFixed(2)} M rows, ${Number(size!.mb).toFixed(0)} MB, made in ${seconds} s`);
  }
}

async function makeDevices(db: DataSource, devices: number): Promise<void> {
  await db.query(
    `INSERT INTO device (id, status, profile, hardware_class, labels, notes, key_thumbprint, certificate_serial, certificate_expires_at, enrolled_at)
     SELECT 'd-' || n, 'active', 'p', 'class-' || n % ${classes}, jsonb_build_object('site', 'site-' || n % ${sites}, 'line', 'line-' || n % 7),
            '[]', 'd-' || n, 'd-' || n, now(), now() FROM generate_series(1, $1::int) n`,
    [devices],
  );
  await db.query(`INSERT INTO device_group (name, selector, created_at) VALUES ('some', 'line=line-1', now())`);
  await db.query(
    `INSERT INTO group_member (group_name, device) SELECT 'some', id FROM device WHERE labels ->> 'line' = 'line-1'`,
  );
  await db.query('ANALYZE device');
}

async function withoutIndexes(db: DataSource, table: string): Promise<() => Promise<void>> {
  const [key] = await db.query<{ name: string; definition: string }[]>(
    `SELECT conname name, pg_get_constraintdef(oid) definition FROM pg_constraint WHERE conrelid = $1::regclass AND contype = 'p'`,
    [table],
  );
  await db.query(`ALTER TABLE ${table} DROP CONSTRAINT "${key!.name}"`);
  const indexes = await db.query<{ name: string; definition: string }[]>(
    `SELECT indexname name, indexdef definition FROM pg_indexes WHERE tablename = $1`,
    [table],
  );
  for (const { name } of indexes) await db.query(`DROP INDEX "${name}"`);
  // Nobody needs these rows after a crash.
  await db.query(`ALTER TABLE ${table} SET UNLOGGED`);
  return async () => {
    await db.query(`ALTER TABLE ${table} ADD CONSTRAINT "${key!.name}" ${key!.definition}`);
    for (const { definition } of indexes) await db.query(definition);
  };
}

async function fillDay(
  db: DataSource,
  table: keyof typeof tables,
  { devices, days, digests }: Extent,
  day: number,
): Promise<void> {
  const { step, of } = tables[table];
  if (step === 'minute' && day > minuteDays) return;
  const many = { minute: 1, hour: 60, day: 1440 }[step] * 6;
  if (of === 'vitals') return fillVitals(db, { table, step, many, devices, day });
  const digest = day > days / 2 ? digests[0] : digests[1];
  const perRow = `${of === 'device' ? many : many * Math.ceil(devices / sites / classes)}::int8`;
  const members =
    of === 'device'
      ? `(SELECT 'd-' || n device, n FROM generate_series(1, ${devices}) n) m`
      : `(SELECT 'class-' || c hardware_class, 'site-' || s site, c * 31 + s n FROM generate_series(0, ${classes - 1}) c, generate_series(0, ${sites - 1}) s) m`;
  const own = of === 'device' ? 'device' : 'hardware_class, site';
  const bins = of === 'device' ? 'int[]' : 'int8[]';
  await db.query(
    `INSERT INTO ${table} (bucket, slot, digest, variant, ${own}, windows, ok, errors, sheds, restarts, compute_cpu_us, queue_depth_max,
       rss_bytes_max, queue_first, queue, compute_first, compute, total_first, total)
     SELECT b, 'inspection', $1, 'int8.onnx', ${own}, ${perRow}, ${perRow} * 90, n % 5, n % 3, 0, ${perRow} * 360000, 3, 140000000 + n,
       30, sk.counts::${bins}, 118 + n % 4, sk.counts::${bins}, 124 + n % 4, sk.counts::${bins}
     FROM ${bucketsOf(day, step)} b, ${members}
     JOIN (VALUES ${sketches}) sk(k, counts) ON sk.k = n % 4`,
    [digest],
  );
}

const bucketsOf = (day: number, step: string) =>
  `generate_series(date_trunc('day', now(), 'UTC') - interval '${day - 1} days',
     least(now(), date_trunc('day', now(), 'UTC') - interval '${day - 2} days' - interval '1 ${step}'), interval '1 ${step}')`;

type Portion = Readonly<{ table: string; step: string; many: number; devices: number; day: number }>;

/** Boards with a sensor for temperature, a third of them with one for power. */
async function fillVitals(db: DataSource, { table, step, many, devices, day }: Portion): Promise<void> {
  await db.query(
    `INSERT INTO ${table} (bucket, device, samples, cpu_n, cpu_millionths, cpu_max, memory_used_max, memory_share_max, supervisor_rss_max,
       runner_rss_max, temperature_n, temperature_thousandths, temperature_min, temperature_max, throttled_n, throttled, power_n, power_mw,
       power_max, gpu_n, gpu_millionths, outbox_records_max, outbox_bytes_max, outbox_dropped_max)
     SELECT b, 'd-' || n, ${many}, ${many}, ${many}::int8 * (300000 + n), 0.5 + n % 40 / 100.0, 2000000000 + n, 0.3, 90000000 + n, 140000000 + n,
       ${many}, ${many}::int8 * (50000 + n), 40, 60 + n % 30, ${many}, n % 3, ${many} * (n % 3 / 2), ${many}::int8 * 7000 * (n % 3 / 2),
       CASE n % 3 WHEN 2 THEN 9 END, 0, 0, n % 9, n % 9 * 300, 0
     FROM ${bucketsOf(day, step)} b, generate_series(1, ${devices}) n`,
  );
  await db.query(`INSERT INTO rollup_watermark (name, up_to, at) VALUES ('vitals', 0, now()) ON CONFLICT DO NOTHING`);
}

/** A latency that is what it is, some of it later: a dozen bins. */
const sketches = [0, 1, 2, 3]
  .map((k) => `(${k}, '{${[40, 900, 4000, 9000, 7000 + k, 3000, 1200, 500, 220, 90, 40 + k, 12].join(',')}}')`)
  .join(', ');
