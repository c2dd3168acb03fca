import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What a window counted in the bins of its release's baseline. */
export class BaselineCounts1795764100000 implements MigrationInterface {
  name = 'BaselineCounts1795764100000';

  async up(db: QueryRunner): Promise<void> {
    await db.query(`ALTER TABLE "telemetry_window" ADD "baseline" jsonb`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`ALTER TABLE "telemetry_window" DROP COLUMN "baseline"`);
  }
}
