import type { MigrationInterface, QueryRunner } from 'typeorm';

export class Kill1795750702741 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`CREATE TABLE "block" ("id" uuid NOT NULL,
        "model" text NOT NULL,
        "version" text,
        "group_name" text,
        "digests" text array NOT NULL,
        "reason" text NOT NULL,
        "actor" text NOT NULL,
        "at" TIMESTAMP WITH TIME ZONE NOT NULL,
        "lifted_at" TIMESTAMP WITH TIME ZONE,
        "lifted_by" text,
        "lifted_reason" text,
        CONSTRAINT "PK_d0925763efb591c2e2ffb267572" PRIMARY KEY ("id"))`);
    await db.query(`CREATE TABLE "kill_target" ("block" uuid NOT NULL,
        "device" text NOT NULL,
        "slot" text NOT NULL,
        "digest" text NOT NULL,
        "good" text,
        "before" uuid,
        "deployment" uuid,
        CONSTRAINT "PK_f1a9d14a09e715b8dba89f9fce4" PRIMARY KEY ("block", "device", "slot"))`);
    await db.query(`CREATE INDEX "kill_target_device" ON "kill_target"  ("device")`);
    await db.query(`CREATE TABLE "slot_commit" ("device" text NOT NULL,
        "slot" text NOT NULL,
        "digest" text NOT NULL,
        "first_at" TIMESTAMP WITH TIME ZONE NOT NULL,
        "at" TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT "PK_5207971bdc5db62e1b55db6f781" PRIMARY KEY ("device", "slot", "digest"))`);
    await db.query(`CREATE INDEX "slot_commit_digest" ON "slot_commit"  ("digest")`);
    await db.query(`CREATE TABLE "pin" ("device" text NOT NULL,
        "slot" text NOT NULL,
        "digest" text NOT NULL,
        "reason" text NOT NULL,
        "actor" text NOT NULL,
        "at" TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT "PK_072cecce95b24b717daaefbad04" PRIMARY KEY ("device", "slot"))`);
    // What is known of the past: what runs, and what ran before the rollouts so far.
    await db.query(`INSERT INTO slot_commit (device, slot, digest, first_at, at)
      SELECT device, slot, digest, min(at), max(at) FROM (
        SELECT device, slot, committed, at FROM slot_report WHERE committed IS NOT NULL
        UNION ALL SELECT t.device, r.slot, t.previous_digest, t.offered_at FROM rollout_target t JOIN rollout r ON r.id = t.rollout
        WHERE t.previous_digest IS NOT NULL AND t.offered_at IS NOT NULL
      ) known(device, slot, digest, at) GROUP BY 1, 2, 3`);
    await db.query(`ALTER TABLE "assignment" ADD "actor" text`);
    await db.query(`ALTER TABLE "assignment" ADD "reason" text`);
    await db.query(`ALTER TABLE "outbox" ADD "priority" integer NOT NULL DEFAULT '1'`);
    await db.query(`CREATE INDEX "outbox_order" ON "outbox"  ("priority", "id")`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`DROP INDEX "public"."outbox_order"`);
    await db.query(`ALTER TABLE "outbox" DROP COLUMN "priority"`);
    await db.query(`ALTER TABLE "assignment" DROP COLUMN "reason"`);
    await db.query(`ALTER TABLE "assignment" DROP COLUMN "actor"`);
    await db.query(`DROP TABLE "pin"`);
    await db.query(`DROP INDEX "public"."slot_commit_digest"`);
    await db.query(`DROP TABLE "slot_commit"`);
    await db.query(`DROP INDEX "public"."kill_target_device"`);
    await db.query(`DROP TABLE "kill_target"`);
    await db.query(`DROP TABLE "block"`);
  }
}
