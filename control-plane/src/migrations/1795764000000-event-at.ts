import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What happened around a moment is asked for by time. */
export class EventAt1795764000000 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`CREATE INDEX "event_at" ON "event"  ("at")`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`DROP INDEX "public"."event_at"`);
  }
}
