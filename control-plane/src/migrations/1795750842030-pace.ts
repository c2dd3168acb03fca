import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Windows and blackouts of groups, when devices may begin to run what they were offered, and budgets of bytes. */
export class Pace1795750842030 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`CREATE TABLE "activation" ("device" text NOT NULL,
        "slot" text NOT NULL,
        "deployment" uuid NOT NULL,
        "after" TIMESTAMP WITH TIME ZONE,
        "before" TIMESTAMP WITH TIME ZONE,
        "hold" boolean NOT NULL DEFAULT false,
        CONSTRAINT "PK_0d9c5c883c2de4fd4516fc892d7" PRIMARY KEY ("device", "slot"))`);
    await db.query(`CREATE TABLE "group_calendar" ("group_name" text NOT NULL,
        "calendar" jsonb NOT NULL,
        "updated_at" TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT "PK_1e047425d2e1fcfab41335e1a79" PRIMARY KEY ("group_name"))`);
    await db.query(`CREATE TABLE "rollout_offer" ("id" BIGSERIAL NOT NULL,
        "rollout" uuid NOT NULL,
        "at" TIMESTAMP WITH TIME ZONE NOT NULL,
        "devices" integer NOT NULL,
        CONSTRAINT "PK_8aab86ae56456dfd0a8a9acc08e" PRIMARY KEY ("id"))`);
    await db.query(`CREATE INDEX "rollout_offer_at" ON "rollout_offer" ("rollout", "at")`);
    await db.query(`ALTER TABLE "rollout" ADD "bytes" bigint NOT NULL DEFAULT '0'`);
    await db.query(
      `CREATE INDEX "rollout_target_under_way" ON "rollout_target" ("device") WHERE "state" IN ('open', 'rolling-back')`,
    );
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`DROP INDEX "public"."rollout_target_under_way"`);
    await db.query(`ALTER TABLE "rollout" DROP COLUMN "bytes"`);
    await db.query(`DROP INDEX "public"."rollout_offer_at"`);
    await db.query(`DROP TABLE "rollout_offer"`);
    await db.query(`DROP TABLE "group_calendar"`);
    await db.query(`DROP TABLE "activation"`);
  }
}
