import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What windows say together, by hour, minute and day; and how far that is. */
export class Rollups1795762379401 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`CREATE TABLE "rollup_device_hour" ("bucket" TIMESTAMP WITH TIME ZONE NOT NULL,
        "device" text NOT NULL,
        "slot" text NOT NULL,
        "digest" text NOT NULL,
        "variant" text NOT NULL,
        "windows" bigint NOT NULL,
        "ok" bigint NOT NULL,
        "errors" bigint NOT NULL,
        "sheds" bigint NOT NULL,
        "restarts" bigint NOT NULL,
        "compute_cpu_us" bigint NOT NULL,
        "queue_depth_max" integer NOT NULL,
        "rss_bytes_max" bigint,
        "queue_first" smallint NOT NULL,
        "queue" integer array NOT NULL,
        "compute_first" smallint NOT NULL,
        "compute" integer array NOT NULL,
        "total_first" smallint NOT NULL,
        "total" integer array NOT NULL,
        CONSTRAINT "PK_a7ee03ad1493517bab20f16ae81" PRIMARY KEY ("bucket", "device", "slot", "digest", "variant"))`);
    await db.query(`CREATE INDEX "rollup_device_hour_of" ON "rollup_device_hour"  ("device", "bucket")`);
    await db.query(`CREATE TABLE "rollup_device_day" ("bucket" TIMESTAMP WITH TIME ZONE NOT NULL,
        "device" text NOT NULL,
        "slot" text NOT NULL,
        "digest" text NOT NULL,
        "variant" text NOT NULL,
        "windows" bigint NOT NULL,
        "ok" bigint NOT NULL,
        "errors" bigint NOT NULL,
        "sheds" bigint NOT NULL,
        "restarts" bigint NOT NULL,
        "compute_cpu_us" bigint NOT NULL,
        "queue_depth_max" integer NOT NULL,
        "rss_bytes_max" bigint,
        "queue_first" smallint NOT NULL,
        "queue" integer array NOT NULL,
        "compute_first" smallint NOT NULL,
        "compute" integer array NOT NULL,
        "total_first" smallint NOT NULL,
        "total" integer array NOT NULL,
        CONSTRAINT "PK_5d96b59a4dfd3eee831540cfb77" PRIMARY KEY ("bucket", "device", "slot", "digest", "variant"))`);
    await db.query(`CREATE INDEX "rollup_device_day_of" ON "rollup_device_day"  ("device", "bucket")`);
    await db.query(`CREATE TABLE "rollup_fleet_minute" ("bucket" TIMESTAMP WITH TIME ZONE NOT NULL,
        "digest" text NOT NULL,
        "variant" text NOT NULL,
        "hardware_class" text NOT NULL,
        "site" text NOT NULL,
        "slot" text NOT NULL,
        "windows" bigint NOT NULL,
        "ok" bigint NOT NULL,
        "errors" bigint NOT NULL,
        "sheds" bigint NOT NULL,
        "restarts" bigint NOT NULL,
        "compute_cpu_us" bigint NOT NULL,
        "queue_depth_max" integer NOT NULL,
        "rss_bytes_max" bigint,
        "queue_first" smallint NOT NULL,
        "queue" bigint array NOT NULL,
        "compute_first" smallint NOT NULL,
        "compute" bigint array NOT NULL,
        "total_first" smallint NOT NULL,
        "total" bigint array NOT NULL,
        CONSTRAINT "PK_1821ba85a3a400234827a08e0ce" PRIMARY KEY ("bucket", "digest", "variant", "hardware_class", "site", "slot"))`);
    await db.query(`CREATE TABLE "rollup_fleet_hour" ("bucket" TIMESTAMP WITH TIME ZONE NOT NULL,
        "digest" text NOT NULL,
        "variant" text NOT NULL,
        "hardware_class" text NOT NULL,
        "site" text NOT NULL,
        "slot" text NOT NULL,
        "windows" bigint NOT NULL,
        "ok" bigint NOT NULL,
        "errors" bigint NOT NULL,
        "sheds" bigint NOT NULL,
        "restarts" bigint NOT NULL,
        "compute_cpu_us" bigint NOT NULL,
        "queue_depth_max" integer NOT NULL,
        "rss_bytes_max" bigint,
        "queue_first" smallint NOT NULL,
        "queue" bigint array NOT NULL,
        "compute_first" smallint NOT NULL,
        "compute" bigint array NOT NULL,
        "total_first" smallint NOT NULL,
        "total" bigint array NOT NULL,
        CONSTRAINT "PK_a90fe61658b86df159c79d01409" PRIMARY KEY ("bucket", "digest", "variant", "hardware_class", "site", "slot"))`);
    await db.query(`CREATE TABLE "rollup_fleet_day" ("bucket" TIMESTAMP WITH TIME ZONE NOT NULL,
        "digest" text NOT NULL,
        "variant" text NOT NULL,
        "hardware_class" text NOT NULL,
        "site" text NOT NULL,
        "slot" text NOT NULL,
        "windows" bigint NOT NULL,
        "ok" bigint NOT NULL,
        "errors" bigint NOT NULL,
        "sheds" bigint NOT NULL,
        "restarts" bigint NOT NULL,
        "compute_cpu_us" bigint NOT NULL,
        "queue_depth_max" integer NOT NULL,
        "rss_bytes_max" bigint,
        "queue_first" smallint NOT NULL,
        "queue" bigint array NOT NULL,
        "compute_first" smallint NOT NULL,
        "compute" bigint array NOT NULL,
        "total_first" smallint NOT NULL,
        "total" bigint array NOT NULL,
        CONSTRAINT "PK_40570dc2ba70cd11d321ea63acb" PRIMARY KEY ("bucket", "digest", "variant", "hardware_class", "site", "slot"))`);
    await db.query(`CREATE TABLE "rollup_watermark" ("name" text NOT NULL,
        "up_to" bigint NOT NULL,
        CONSTRAINT "PK_fe83e8785837872413e81f09832" PRIMARY KEY ("name"))`);
    // A row is written again with each upload that falls into it: with room on its page, its indexes stay as they are.
    for (const table of rollups) await db.query(`ALTER TABLE "${table}" SET (fillfactor = 60)`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`DROP TABLE "rollup_watermark"`);
    await db.query(`DROP TABLE "rollup_fleet_day"`);
    await db.query(`DROP TABLE "rollup_fleet_hour"`);
    await db.query(`DROP TABLE "rollup_fleet_minute"`);
    await db.query(`DROP INDEX "public"."rollup_device_day_of"`);
    await db.query(`DROP TABLE "rollup_device_day"`);
    await db.query(`DROP INDEX "public"."rollup_device_hour_of"`);
    await db.query(`DROP TABLE "rollup_device_hour"`);
  }
}

const rollups = ['rollup_device_hour', 'rollup_device_day', 'rollup_fleet_minute', 'rollup_fleet_hour', 'rollup_fleet_day'];
