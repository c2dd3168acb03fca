import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Requests that must not be done twice, and what a change of a group expects to find. */
export class Api1795753969494 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`CREATE TABLE "idempotent_request" ("id" text NOT NULL,
        "request_hash" text NOT NULL,
        "state" text NOT NULL,
        "status" integer,
        "answer" bytea,
        "created_at" TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT "PK_idempotent_request" PRIMARY KEY ("id"))`);
    await db.query(`CREATE INDEX "idempotent_request_created_at" ON "idempotent_request" ("created_at")`);
    await db.query(`ALTER TABLE "device_group" ADD "revision" uuid NOT NULL DEFAULT gen_random_uuid()`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`ALTER TABLE "device_group" DROP COLUMN "revision"`);
    await db.query(`DROP TABLE "idempotent_request"`);
  }
}
