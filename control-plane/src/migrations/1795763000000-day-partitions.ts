import type { MigrationInterface, QueryRunner } from 'typeorm';

const tables = [
  {
    name: 'telemetry_window',
    key: 'PK_6013ed6147926aeedd6fb6d781e',
    oldKey: 'PK_071ea7722c8180ee710cb77ef1e',
    indexes: { telemetry_window_slot: '"device", "slot", "digest", "received_at"', telemetry_window_received: '"received_at"' },
  },
  {
    name: 'vitals',
    key: 'PK_a98eb1dcfd70a89d1c50a099231',
    oldKey: 'PK_a6f02e68a2c1766b720d065dfd8',
    indexes: { vitals_device: '"device", "received_at"', vitals_received: '"received_at"' },
  },
] as const;
type Table = (typeof tables)[number];

/**
 * Windows and vitals by the day they were received. Rows that are there stay where they are: their table becomes the partition of
 * all days up to now. Whoever writes meanwhile waits for its lock, and then finds the new table under the same name.
 */
export class DayPartitions1795763000000 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    for (const table of tables) await partition(db, table);
  }

  async down(db: QueryRunner): Promise<void> {
    for (const table of tables) await unite(db, table);
  }
}

async function partition(db: QueryRunner, { name, key, oldKey, indexes }: Table): Promise<void> {
  await db.query(`LOCK TABLE "${name}" IN ACCESS EXCLUSIVE MODE`);
  const before = `${name}_before`;
  await db.query(`ALTER TABLE "${name}" RENAME TO "${before}"`);
  await db.query(`ALTER TABLE "${before}" DROP CONSTRAINT "${oldKey}"`);
  for (const index of Object.keys(indexes)) {
    await db.query(`ALTER INDEX "${index}" RENAME TO "${index.replace(name, before)}"`);
  }
  await db.query(`CREATE TABLE "${name}" (LIKE "${before}" INCLUDING DEFAULTS) PARTITION BY RANGE ("received_at")`);
  await db.query(`ALTER SEQUENCE "${name}_id_seq" OWNED BY "${name}"."id"`);
  await db.query(`ALTER TABLE "${name}" ADD CONSTRAINT "${key}" PRIMARY KEY ("id", "received_at")`);
  for (const [index, columns] of Object.entries(indexes)) await db.query(`CREATE INDEX "${index}" ON "${name}" (${columns})`);
  // What no day's partition takes: it is not to be, and nothing is lost if it is.
  await db.query(`CREATE TABLE "${name}_default" PARTITION OF "${name}" DEFAULT`);
  await keep(db, name, before);
}

/** The table as it was, up to the end of its last day; the days that follow one by one, for a week. */
async function keep(db: QueryRunner, name: string, before: string): Promise<void> {
  const [{ latest, from }] = (await db.query(
    `SELECT max("received_at") latest, date_trunc('day', greatest(now(), max("received_at") + interval '1 day'), 'UTC') "from" FROM "${before}"`,
  )) as [{ latest: Date | null; from: Date }];
  if (latest === null) await db.query(`DROP TABLE "${before}"`);
  else
    await db.query(`ALTER TABLE "${name}" ATTACH PARTITION "${before}" FOR VALUES FROM (MINVALUE) TO ('${from.toISOString()}')`);
  for (let day = 0; day < daysAhead; day++) {
    const [first, next] = [day, day + 1].map((days) => new Date(from.getTime() + days * dayMs).toISOString()) as [string, string];
    await db.query(
      `CREATE TABLE "${name}_${first.slice(0, 10).replaceAll('-', '')}" PARTITION OF "${name}" FOR VALUES FROM ('${first}') TO ('${next}')`,
    );
  }
}

const daysAhead = 8;
const dayMs = 86_400_000;

async function unite(db: QueryRunner, { name, oldKey, indexes }: Table): Promise<void> {
  await db.query(`CREATE TABLE "${name}_united" (LIKE "${name}" INCLUDING DEFAULTS)`);
  await db.query(`INSERT INTO "${name}_united" SELECT * FROM "${name}"`);
  await db.query(`ALTER SEQUENCE "${name}_id_seq" OWNED BY "${name}_united"."id"`);
  await db.query(`DROP TABLE "${name}"`);
  await db.query(`ALTER TABLE "${name}_united" RENAME TO "${name}"`);
  await db.query(`ALTER TABLE "${name}" ADD CONSTRAINT "${oldKey}" PRIMARY KEY ("id")`);
  for (const [index, columns] of Object.entries(indexes)) await db.query(`CREATE INDEX "${index}" ON "${name}" (${columns})`);
}
