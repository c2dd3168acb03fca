import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What vitals of one device say together, and what its windows counted, by hour and day; and when the rollups were last complete. */
export class VitalsRollups1795785615538 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`CREATE TABLE "rollup_vitals_hour" ("bucket" TIMESTAMP WITH TIME ZONE NOT NULL,
        "device" text NOT NULL,
        "samples" integer NOT NULL,
        "cpu_n" integer NOT NULL,
        "cpu_millionths" bigint NOT NULL,
        "cpu_max" real,
        "memory_used_max" bigint,
        "memory_share_max" real,
        "supervisor_rss_max" bigint,
        "runner_rss_max" bigint,
        "temperature_n" integer NOT NULL,
        "temperature_thousandths" bigint NOT NULL,
        "temperature_min" real,
        "temperature_max" real,
        "throttled_n" integer NOT NULL,
        "throttled" integer NOT NULL,
        "power_n" integer NOT NULL,
        "power_mw" bigint NOT NULL,
        "power_max" real,
        "gpu_n" integer NOT NULL,
        "gpu_millionths" bigint NOT NULL,
        "gpu_max" real,
        "outbox_records_max" bigint,
        "outbox_bytes_max" bigint,
        "outbox_dropped_max" bigint,
        CONSTRAINT "PK_a710ef92311ec6ef494bd83b4ff" PRIMARY KEY ("bucket", "device"))`);
    await db.query(`CREATE INDEX "rollup_vitals_hour_of" ON "rollup_vitals_hour"  ("device", "bucket")`);
    await db.query(`CREATE TABLE "rollup_vitals_day" ("bucket" TIMESTAMP WITH TIME ZONE NOT NULL,
        "device" text NOT NULL,
        "samples" integer NOT NULL,
        "cpu_n" integer NOT NULL,
        "cpu_millionths" bigint NOT NULL,
        "cpu_max" real,
        "memory_used_max" bigint,
        "memory_share_max" real,
        "supervisor_rss_max" bigint,
        "runner_rss_max" bigint,
        "temperature_n" integer NOT NULL,
        "temperature_thousandths" bigint NOT NULL,
        "temperature_min" real,
        "temperature_max" real,
        "throttled_n" integer NOT NULL,
        "throttled" integer NOT NULL,
        "power_n" integer NOT NULL,
        "power_mw" bigint NOT NULL,
        "power_max" real,
        "gpu_n" integer NOT NULL,
        "gpu_millionths" bigint NOT NULL,
        "gpu_max" real,
        "outbox_records_max" bigint,
        "outbox_bytes_max" bigint,
        "outbox_dropped_max" bigint,
        CONSTRAINT "PK_1c7f98327d7ba1dacf7c30c0cb1" PRIMARY KEY ("bucket", "device"))`);
    await db.query(`CREATE INDEX "rollup_vitals_day_of" ON "rollup_vitals_day"  ("device", "bucket")`);
    await db.query(`CREATE TABLE "rollup_content_hour" ("bucket" TIMESTAMP WITH TIME ZONE NOT NULL,
        "device" text NOT NULL,
        "slot" text NOT NULL,
        "digest" text NOT NULL,
        "variant" text NOT NULL,
        "classes" jsonb NOT NULL,
        "other_classes" bigint NOT NULL,
        "scores" bigint array NOT NULL,
        "baseline" jsonb,
        CONSTRAINT "PK_c3d967d7247d705818a29c2554b" PRIMARY KEY ("bucket", "device", "slot", "digest", "variant"))`);
    await db.query(`CREATE INDEX "rollup_content_hour_of" ON "rollup_content_hour"  ("device", "bucket")`);
    await db.query(`CREATE TABLE "rollup_content_day" ("bucket" TIMESTAMP WITH TIME ZONE NOT NULL,
        "device" text NOT NULL,
        "slot" text NOT NULL,
        "digest" text NOT NULL,
        "variant" text NOT NULL,
        "classes" jsonb NOT NULL,
        "other_classes" bigint NOT NULL,
        "scores" bigint array NOT NULL,
        "baseline" jsonb,
        CONSTRAINT "PK_cd2e3888ccbca918f157ba204b5" PRIMARY KEY ("bucket", "device", "slot", "digest", "variant"))`);
    await db.query(`CREATE INDEX "rollup_content_day_of" ON "rollup_content_day"  ("device", "bucket")`);
    await db.query(`ALTER TABLE "rollup_watermark" ADD "at" TIMESTAMP WITH TIME ZONE`);
    // A row is written again with each roll-up that falls into it: with room on its page, its indexes stay as they are.
    for (const table of rollups) await db.query(`ALTER TABLE "${table}" SET (fillfactor = 70)`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`ALTER TABLE "rollup_watermark" DROP COLUMN "at"`);
    await db.query(`DROP INDEX "public"."rollup_content_day_of"`);
    await db.query(`DROP TABLE "rollup_content_day"`);
    await db.query(`DROP INDEX "public"."rollup_content_hour_of"`);
    await db.query(`DROP TABLE "rollup_content_hour"`);
    await db.query(`DROP INDEX "public"."rollup_vitals_day_of"`);
    await db.query(`DROP TABLE "rollup_vitals_day"`);
    await db.query(`DROP INDEX "public"."rollup_vitals_hour_of"`);
    await db.query(`DROP TABLE "rollup_vitals_hour"`);
  }
}

const rollups = ['rollup_vitals_hour', 'rollup_vitals_day', 'rollup_content_hour', 'rollup_content_day'];
