import type { MigrationInterface, QueryRunner } from 'typeorm';

const columns = {
  confirmed: 'integer',
  rejected: 'integer',
  corrected: 'integer',
  temperature_max_c: 'real',
  throttled_ms: 'integer',
  energy_j: 'real',
};

/** What people said of predictions, and how the board was, with the window. Rows that are there are not rewritten: they know nothing of it. */
export class BoardEvidence1795769900000 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    const added = Object.entries(columns).map(([name, type]) => `ADD "${name}" ${type}`);
    await db.query(`ALTER TABLE "telemetry_window" ${added.join(', ')}`);
  }

  async down(db: QueryRunner): Promise<void> {
    const dropped = Object.keys(columns).map((name) => `DROP COLUMN "${name}"`);
    await db.query(`ALTER TABLE "telemetry_window" ${dropped.join(', ')}`);
  }
}
