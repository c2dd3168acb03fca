import type { MigrationInterface, QueryRunner } from 'typeorm';

export class GroupsAndLifecycle1795750705062 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`CREATE TABLE "device_tombstone" ("key_thumbprint" text NOT NULL,
        "device" text NOT NULL,
        "at" TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT "PK_da84f4e1239d7873ef2cf295c20" PRIMARY KEY ("key_thumbprint"))`);
    await db.query(`ALTER TABLE "claim_token" ADD "approval" boolean NOT NULL DEFAULT false`);
    await db.query(`ALTER TABLE "device" ADD "maintenance" jsonb`);
    await db.query(`ALTER TABLE "device" ADD "maintenance_until" TIMESTAMP WITH TIME ZONE`);
    await db.query(`ALTER TABLE "group_member" ADD "since" TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now()`);
    await db.query(`ALTER TABLE "device_group" ADD "evaluated_at" TIMESTAMP WITH TIME ZONE`);
    await db.query(`CREATE INDEX "group_member_device" ON "group_member"  ("device")`);
    await db.query(`INSERT INTO "device_tombstone" SELECT "key_thumbprint", min("id"), now() FROM "device"
        WHERE "status" = 'revoked' GROUP BY "key_thumbprint"`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`DROP INDEX "public"."group_member_device"`);
    await db.query(`ALTER TABLE "device_group" DROP COLUMN "evaluated_at"`);
    await db.query(`ALTER TABLE "group_member" DROP COLUMN "since"`);
    await db.query(`ALTER TABLE "device" DROP COLUMN "maintenance_until"`);
    await db.query(`ALTER TABLE "device" DROP COLUMN "maintenance"`);
    await db.query(`ALTER TABLE "claim_token" DROP COLUMN "approval"`);
    await db.query(`DROP TABLE "device_tombstone"`);
  }
}
