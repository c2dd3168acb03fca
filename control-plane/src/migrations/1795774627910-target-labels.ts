import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What maxUnavailable bounds by lies with the devices of a rollout, so that no look has to read all of them. */
export class TargetLabels1795774627910 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`CREATE TABLE "rollout_label" ("rollout" uuid NOT NULL,
        "value" text NOT NULL,
        "n" integer NOT NULL,
        CONSTRAINT "PK_276b8bd873553c88718f3a25aa6" PRIMARY KEY ("rollout", "value"))`);
    await db.query(`ALTER TABLE "rollout_target" ADD "label" text`);
    const by = `r."plan" #>> '{pace,maxUnavailable,by}'`;
    await db.query(`UPDATE "rollout_target" t SET "label" = coalesce(d."labels" ->> (${by}), '') FROM "rollout" r, "device" d
        WHERE r."id" = t."rollout" AND d."id" = t."device" AND ${by} IS NOT NULL`);
    await db.query(`INSERT INTO "rollout_label" ("rollout", "value", "n") SELECT "rollout", "label", count(*) FROM "rollout_target"
        WHERE "label" IS NOT NULL GROUP BY "rollout", "label"`);
    await db.query(
      `CREATE INDEX "rollout_target_label" ON "rollout_target" ("rollout", "stage", "label", "device") WHERE "state" = 'waiting' AND "label" IS NOT NULL`,
    );
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`DROP INDEX "public"."rollout_target_label"`);
    await db.query(`ALTER TABLE "rollout_target" DROP COLUMN "label"`);
    await db.query(`DROP TABLE "rollout_label"`);
  }
}
