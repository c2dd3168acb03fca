import type { MigrationInterface, QueryRunner } from 'typeorm';

export class Initial1795359287598 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`CREATE TABLE "claim_token" ("id" uuid NOT NULL,
        "secret_hash" text NOT NULL,
        "name" text,
        "replace" boolean NOT NULL DEFAULT false,
        "labels" jsonb NOT NULL,
        "created_at" TIMESTAMP WITH TIME ZONE NOT NULL,
        "expires_at" TIMESTAMP WITH TIME ZONE NOT NULL,
        "used_at" TIMESTAMP WITH TIME ZONE,
        "key_thumbprint" text,
        "device" text,
        CONSTRAINT "UQ_ef209979ad9b41cd0a361deead0" UNIQUE ("secret_hash"),
        CONSTRAINT "PK_b6e637ba38c51b03dea67179848" PRIMARY KEY ("id"))`);
    await db.query(`CREATE TABLE "event" ("id" SERIAL NOT NULL,
        "at" TIMESTAMP WITH TIME ZONE NOT NULL,
        "kind" text NOT NULL,
        "actor" text NOT NULL,
        "device" text,
        "rollout" uuid,
        "message" text NOT NULL,
        "data" jsonb NOT NULL,
        CONSTRAINT "PK_30c2f3bbaf6d34a55f8ae6e4614" PRIMARY KEY ("id"))`);
    await db.query(`CREATE INDEX "event_device" ON "event" ("device", "id")`);
    await db.query(`CREATE INDEX "event_rollout" ON "event" ("rollout", "id")`);
    await db.query(`CREATE TABLE "assignment" ("device" text NOT NULL,
        "slot" text NOT NULL,
        "deployment" uuid NOT NULL,
        "digest" text NOT NULL,
        "owner" text NOT NULL,
        "priority" integer NOT NULL,
        "probation" jsonb NOT NULL,
        "assigned_at" TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT "PK_783ca01100af446b669811aa830" PRIMARY KEY ("device", "slot"))`);
    await db.query(`CREATE INDEX "assignment_digest" ON "assignment" ("digest")`);
    await db.query(`CREATE TABLE "device" ("id" text NOT NULL,
        "tenant" text NOT NULL DEFAULT 'default',
        "status" text NOT NULL,
        "profile" text NOT NULL,
        "hardware_class" text NOT NULL,
        "labels" jsonb NOT NULL,
        "notes" jsonb NOT NULL,
        "agent" text,
        "key_thumbprint" text NOT NULL,
        "certificate_serial" text NOT NULL,
        "certificate_expires_at" TIMESTAMP WITH TIME ZONE NOT NULL,
        "enrolled_at" TIMESTAMP WITH TIME ZONE NOT NULL,
        "epoch" integer NOT NULL DEFAULT '0',
        "desired_hash" text,
        "stream" text,
        "session" integer NOT NULL DEFAULT '0',
        "boot" text,
        "reported_epoch" integer,
        "reported_hash" text,
        "online" boolean NOT NULL DEFAULT false,
        "last_seen_at" TIMESTAMP WITH TIME ZONE,
        CONSTRAINT "PK_2dc10972aa4e27c01378dad2c72" PRIMARY KEY ("id"))`);
    await db.query(`CREATE TABLE "slot_report" ("device" text NOT NULL,
        "slot" text NOT NULL,
        "deployment" uuid,
        "digest" text,
        "committed" text,
        "state" text NOT NULL,
        "failure" text,
        "reason" text,
        "variant" text,
        "at" TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT "PK_050e60e265ef6b2d89b10a45431" PRIMARY KEY ("device", "slot"))`);
    await db.query(`CREATE TABLE "group_member" ("group_name" text NOT NULL,
        "device" text NOT NULL,
        CONSTRAINT "PK_cf52ca4431410407ed43e005ebe" PRIMARY KEY ("group_name", "device"))`);
    await db.query(`CREATE TABLE "device_group" ("name" text NOT NULL,
        "selector" text,
        "created_at" TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT "PK_f2ef78d341a5125990cafc9493c" PRIMARY KEY ("name"))`);
    await db.query(`CREATE TABLE "outbox" ("id" SERIAL NOT NULL,
        "effect" jsonb NOT NULL,
        "created_at" TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
        CONSTRAINT "PK_340ab539f309f03bdaa14aa7649" PRIMARY KEY ("id"))`);
    await db.query(`CREATE TABLE "release" ("digest" text NOT NULL,
        "model" text NOT NULL,
        "version" text NOT NULL,
        "manifest" jsonb NOT NULL,
        "pushed_at" TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT "release_model_version" UNIQUE ("model", "version"),
        CONSTRAINT "PK_5f5b92885e78de84e7f74042f2a" PRIMARY KEY ("digest"))`);
    await db.query(`CREATE TABLE "rollout_event" ("id" SERIAL NOT NULL,
        "rollout" uuid NOT NULL,
        "at" TIMESTAMP WITH TIME ZONE NOT NULL,
        "actor" text NOT NULL,
        "event" jsonb NOT NULL,
        "state" jsonb NOT NULL,
        CONSTRAINT "PK_1d673a7be8ac63cf8d8fa306ebc" PRIMARY KEY ("id"))`);
    await db.query(`CREATE INDEX "rollout_event_rollout" ON "rollout_event" ("rollout", "id")`);
    await db.query(`CREATE TABLE "rollout" ("id" uuid NOT NULL,
        "name" text NOT NULL,
        "digest" text NOT NULL,
        "slot" text NOT NULL,
        "plan" jsonb NOT NULL,
        "salt" text NOT NULL,
        "state" jsonb NOT NULL,
        "phase" text NOT NULL,
        "created_at" TIMESTAMP WITH TIME ZONE NOT NULL,
        "updated_at" TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT "PK_96a66b8ca2a1fb3c7d647b00762" PRIMARY KEY ("id"))`);
    await db.query(`CREATE INDEX "rollout_phase" ON "rollout" ("phase")`);
    await db.query(`CREATE TABLE "rollout_target" ("rollout" uuid NOT NULL,
        "device" text NOT NULL,
        "stage" integer NOT NULL,
        "state" text NOT NULL,
        "deployment" uuid,
        "previous_digest" text,
        "failure" text,
        "reason" text,
        "offered_at" TIMESTAMP WITH TIME ZONE,
        "inferences" bigint NOT NULL DEFAULT '0',
        "errors" bigint NOT NULL DEFAULT '0',
        "compute_cpu_us" bigint NOT NULL DEFAULT '0',
        "baseline_us" double precision,
        CONSTRAINT "PK_88a22644c2f022a0041525c8844" PRIMARY KEY ("rollout", "device"))`);
    await db.query(`CREATE INDEX "rollout_target_stage" ON "rollout_target" ("rollout", "stage", "state")`);
    await db.query(`CREATE INDEX "rollout_target_deployment" ON "rollout_target" ("deployment")`);
    await db.query(`CREATE TABLE "dead_letter" ("id" BIGSERIAL NOT NULL,
        "device" text NOT NULL,
        "stream" text NOT NULL,
        "seq" bigint NOT NULL,
        "at" TIMESTAMP WITH TIME ZONE NOT NULL,
        "reason" text NOT NULL,
        "record" jsonb NOT NULL,
        CONSTRAINT "PK_e51e9e534cd18984b2aad76403c" PRIMARY KEY ("id"))`);
    await db.query(`CREATE TABLE "device_stream" ("stream" text NOT NULL,
        "device" text NOT NULL,
        "key_thumbprint" text NOT NULL,
        "up_to" bigint NOT NULL DEFAULT '0',
        "ranges" jsonb NOT NULL DEFAULT '[]',
        "next" bigint NOT NULL DEFAULT '0',
        "lost" bigint NOT NULL DEFAULT '0',
        "refused" bigint NOT NULL DEFAULT '0',
        CONSTRAINT "PK_d81b9cb58070cd4f82abe1aa694" PRIMARY KEY ("stream"))`);
    await db.query(`CREATE INDEX "device_stream_device" ON "device_stream" ("device")`);
    await db.query(`CREATE TABLE "telemetry_window" ("id" BIGSERIAL NOT NULL,
        "device" text NOT NULL,
        "slot" text NOT NULL,
        "deployment" uuid NOT NULL,
        "digest" text NOT NULL,
        "variant" text NOT NULL,
        "started_at" TIMESTAMP WITH TIME ZONE NOT NULL,
        "ended_at" TIMESTAMP WITH TIME ZONE NOT NULL,
        "received_at" TIMESTAMP WITH TIME ZONE NOT NULL,
        "uncertain" boolean NOT NULL,
        "ok" integer NOT NULL,
        "errors" integer NOT NULL,
        "sheds" integer NOT NULL,
        "compute_cpu_us" bigint NOT NULL,
        "queue_first" smallint NOT NULL,
        "queue" integer array NOT NULL,
        "compute_first" smallint NOT NULL,
        "compute" integer array NOT NULL,
        "total_first" smallint NOT NULL,
        "total" integer array NOT NULL,
        "slow" jsonb NOT NULL,
        "classes" jsonb NOT NULL,
        "other_classes" integer NOT NULL,
        "scores" integer array NOT NULL,
        "queue_depth_max" integer NOT NULL,
        CONSTRAINT "PK_071ea7722c8180ee710cb77ef1e" PRIMARY KEY ("id"))`);
    await db.query(`CREATE INDEX "telemetry_window_slot" ON "telemetry_window" ("device", "slot", "digest", "received_at")`);
    await db.query(`CREATE INDEX "telemetry_window_received" ON "telemetry_window" ("received_at")`);
    await db.query(`CREATE TABLE "vitals" ("id" BIGSERIAL NOT NULL,
        "device" text NOT NULL,
        "started_at" TIMESTAMP WITH TIME ZONE NOT NULL,
        "ended_at" TIMESTAMP WITH TIME ZONE NOT NULL,
        "received_at" TIMESTAMP WITH TIME ZONE NOT NULL,
        "vitals" jsonb NOT NULL,
        CONSTRAINT "PK_a6f02e68a2c1766b720d065dfd8" PRIMARY KEY ("id"))`);
    await db.query(`CREATE INDEX "vitals_device" ON "vitals" ("device", "received_at")`);
    await db.query(`CREATE INDEX "vitals_received" ON "vitals" ("received_at")`);
    await db.query(`CREATE TABLE "leader_lease" ("name" text NOT NULL,
        "holder" text NOT NULL,
        "term" integer NOT NULL,
        "expires_at" TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT "PK_c36f90c428fa735db5b91aab9c4" PRIMARY KEY ("name"))`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`DROP TABLE "leader_lease"`);
    await db.query(`DROP INDEX "public"."vitals_received"`);
    await db.query(`DROP INDEX "public"."vitals_device"`);
    await db.query(`DROP TABLE "vitals"`);
    await db.query(`DROP INDEX "public"."telemetry_window_received"`);
    await db.query(`DROP INDEX "public"."telemetry_window_slot"`);
    await db.query(`DROP TABLE "telemetry_window"`);
    await db.query(`DROP INDEX "public"."device_stream_device"`);
    await db.query(`DROP TABLE "device_stream"`);
    await db.query(`DROP TABLE "dead_letter"`);
    await db.query(`DROP INDEX "public"."rollout_target_deployment"`);
    await db.query(`DROP INDEX "public"."rollout_target_stage"`);
    await db.query(`DROP TABLE "rollout_target"`);
    await db.query(`DROP INDEX "public"."rollout_phase"`);
    await db.query(`DROP TABLE "rollout"`);
    await db.query(`DROP INDEX "public"."rollout_event_rollout"`);
    await db.query(`DROP TABLE "rollout_event"`);
    await db.query(`DROP TABLE "release"`);
    await db.query(`DROP TABLE "outbox"`);
    await db.query(`DROP TABLE "device_group"`);
    await db.query(`DROP TABLE "group_member"`);
    await db.query(`DROP TABLE "slot_report"`);
    await db.query(`DROP TABLE "device"`);
    await db.query(`DROP INDEX "public"."assignment_digest"`);
    await db.query(`DROP TABLE "assignment"`);
    await db.query(`DROP INDEX "public"."event_rollout"`);
    await db.query(`DROP INDEX "public"."event_device"`);
    await db.query(`DROP TABLE "event"`);
    await db.query(`DROP TABLE "claim_token"`);
  }
}
