import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Gates judge by betting: evidence in rows of its own, the incumbent's baseline and the small windows with each device. */
export class Evidence1795737600000 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`CREATE TABLE "rollout_evidence" ("id" BIGSERIAL NOT NULL,
        "rollout" uuid NOT NULL,
        "stage" integer NOT NULL,
        "gate" integer NOT NULL,
        "stratum" text NOT NULL,
        "devices" integer NOT NULL,
        "paired" integer NOT NULL,
        "windows" bigint NOT NULL,
        "inferences" bigint NOT NULL,
        "exceeded" double precision NOT NULL,
        "value" double precision NOT NULL,
        "reference" double precision NOT NULL,
        "breach" double precision array NOT NULL,
        "pass" double precision array NOT NULL,
        CONSTRAINT "PK_3d7c0b9ba5c3a8f5a6a2a6b8d1e" PRIMARY KEY ("id"))`);
    await db.query(`CREATE INDEX "rollout_evidence_rollout" ON "rollout_evidence" ("rollout")`);
    await db.query(`ALTER TABLE "rollout" ADD "alarms" integer NOT NULL DEFAULT '1'`);
    // Made before: as many tests as it has gates in stages; its evidence begins anew with the next window.
    await db.query(`UPDATE "rollout" SET "alarms" = jsonb_array_length("plan"->'gates') * jsonb_array_length("plan"->'stages')`);
    await db.query(`ALTER TABLE "rollout_target" ADD "hardware_class" text NOT NULL DEFAULT ''`);
    await db.query(
      `UPDATE "rollout_target" t SET "hardware_class" = d."hardware_class" FROM "device" d WHERE d."id" = t."device"`,
    );
    await db.query(`ALTER TABLE "rollout_target" ADD "baseline" jsonb`);
    // The limit was on the mean, so the mean stands in for the p95 of the windows' means.
    await db.query(`UPDATE "rollout_target" SET "baseline" = jsonb_build_object('windows', 1, 'inferences', 1,
        'computeMeanUs', "baseline_us", 'computeP95Us', "baseline_us", 'computeP50Us', "baseline_us") WHERE "baseline_us" IS NOT NULL`);
    await db.query(`ALTER TABLE "rollout_target" ADD "kept" jsonb`);
    await db.query(`ALTER TABLE "rollout_target" DROP COLUMN "baseline_us"`);
    await db.query(`ALTER TABLE "rollout_target" DROP COLUMN "inferences"`);
    await db.query(`ALTER TABLE "rollout_target" DROP COLUMN "errors"`);
    await db.query(`ALTER TABLE "rollout_target" DROP COLUMN "compute_cpu_us"`);
    await db.query(`ALTER TABLE "assignment" ADD "slow" jsonb NOT NULL DEFAULT '{}'`);
    await db.query(`ALTER TABLE "telemetry_window" ADD "rss_bytes" bigint`);
    await db.query(`ALTER TABLE "telemetry_window" ADD "restarts" integer`);
    await db.query(`CREATE TABLE "operator_token" ("name" text NOT NULL,
        "role" text NOT NULL,
        "token_hash" text NOT NULL,
        "created_at" TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT "UQ_operator_token_hash" UNIQUE ("token_hash"),
        CONSTRAINT "PK_operator_token" PRIMARY KEY ("name"))`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`DROP TABLE "operator_token"`);
    await db.query(`ALTER TABLE "telemetry_window" DROP COLUMN "restarts"`);
    await db.query(`ALTER TABLE "telemetry_window" DROP COLUMN "rss_bytes"`);
    await db.query(`ALTER TABLE "assignment" DROP COLUMN "slow"`);
    await db.query(`ALTER TABLE "rollout_target" ADD "compute_cpu_us" bigint NOT NULL DEFAULT '0'`);
    await db.query(`ALTER TABLE "rollout_target" ADD "errors" bigint NOT NULL DEFAULT '0'`);
    await db.query(`ALTER TABLE "rollout_target" ADD "inferences" bigint NOT NULL DEFAULT '0'`);
    await db.query(`ALTER TABLE "rollout_target" ADD "baseline_us" double precision`);
    await db.query(`ALTER TABLE "rollout_target" DROP COLUMN "kept"`);
    await db.query(`ALTER TABLE "rollout_target" DROP COLUMN "baseline"`);
    await db.query(`ALTER TABLE "rollout_target" DROP COLUMN "hardware_class"`);
    await db.query(`ALTER TABLE "rollout" DROP COLUMN "alarms"`);
    await db.query(`DROP INDEX "public"."rollout_evidence_rollout"`);
    await db.query(`DROP TABLE "rollout_evidence"`);
  }
}
