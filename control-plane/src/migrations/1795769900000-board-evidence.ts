import type { MigrationInterface, QueryRunner } from 'typeorm';

const ofWindow = {
  confirmed: 'integer',
  rejected: 'integer',
  corrected: 'integer',
  temperature_max_c: 'real',
  throttled_ms: 'integer',
  energy_mj: 'bigint',
};
const sum = `bigint NOT NULL DEFAULT '0'`;
const ofRollup = {
  confirmed: sum,
  rejected: sum,
  corrected: sum,
  throttled_ms: sum,
  throttled_of_ms: sum,
  energy_mj: sum,
  energy_ok: sum,
  temperature_max_c: 'real',
};
const rollups = ['rollup_device_hour', 'rollup_device_day', 'rollup_fleet_minute', 'rollup_fleet_hour', 'rollup_fleet_day'];
const tables: [name: string, columns: Record<string, string>][] = [
  ['telemetry_window', ofWindow],
  ...rollups.map((name): [string, Record<string, string>] => [name, ofRollup]),
];

/** What people said of predictions, and how the board was. Rows that are there are not rewritten: they know nothing of it. */
export class BoardEvidence1795769900000 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    for (const [table, columns] of tables) {
      const added = Object.entries(columns).map(([name, type]) => `ADD "${name}" ${type}`);
      await db.query(`ALTER TABLE "${table}" ${added.join(', ')}`);
    }
  }

  async down(db: QueryRunner): Promise<void> {
    for (const [table, columns] of tables) {
      const dropped = Object.keys(columns).map((name) => `DROP COLUMN "${name}"`);
      await db.query(`ALTER TABLE "${table}" ${dropped.join(', ')}`);
    }
  }
}
