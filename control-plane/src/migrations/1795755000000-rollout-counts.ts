import type { MigrationInterface, QueryRunner } from 'typeorm';

/** How many devices of a rollout are in which state, kept by the database itself: a tick does not count a million rows. */
export class RolloutCounts1795755000000 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`CREATE TABLE "rollout_count" ("id" BIGSERIAL NOT NULL,
        "rollout" uuid NOT NULL,
        "stage" integer NOT NULL,
        "state" text NOT NULL,
        "n" bigint NOT NULL,
        CONSTRAINT "PK_4ad5fb2e0c64b1d7ef2c9f2bd8a" PRIMARY KEY ("id"))`);
    await db.query(`CREATE INDEX "rollout_count_rollout" ON "rollout_count" ("rollout")`);
    await db.query(`INSERT INTO "rollout_count" ("rollout", "stage", "state", "n")
        SELECT "rollout", "stage", "state", count(*) FROM "rollout_target" GROUP BY "rollout", "stage", "state"`);
    await makeTriggers(db);
    // In the order in which devices are offered it, so that an offer reads no more than it takes.
    await db.query(`DROP INDEX "public"."rollout_target_stage"`);
    await db.query(`CREATE INDEX "rollout_target_stage" ON "rollout_target" ("rollout", "stage", "state", "device")`);
    await db.query(`CREATE INDEX "rollout_target_open" ON "rollout_target" ("rollout", "offered_at") WHERE "state" = 'open'`);
    await db.query(`CREATE INDEX "device_not_active" ON "device" ("id") WHERE "status" <> 'active'`);
    await db.query(`CREATE INDEX "device_in_maintenance" ON "device" ("id") WHERE "maintenance" IS NOT NULL`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`DROP INDEX "public"."device_in_maintenance"`);
    await db.query(`DROP INDEX "public"."device_not_active"`);
    await db.query(`DROP INDEX "public"."rollout_target_open"`);
    await db.query(`DROP INDEX "public"."rollout_target_stage"`);
    await db.query(`CREATE INDEX "rollout_target_stage" ON "rollout_target" ("rollout", "stage", "state")`);
    for (const event of ['insert', 'update', 'delete']) await db.query(`DROP TRIGGER rollout_count_${event} ON "rollout_target"`);
    await db.query(`DROP FUNCTION rollout_count_moved`);
    await db.query(`DROP INDEX "public"."rollout_count_rollout"`);
    await db.query(`DROP TABLE "rollout_count"`);
  }
}

/**
 * Whatever statement moves targets, its transaction adds what it changed; rows are only added, so that no transaction waits
 * for another's. A table that did not change is not there under its name: three branches instead of one.
 */
async function makeTriggers(db: QueryRunner): Promise<void> {
  const added = `SELECT rollout, stage, state, 1 AS n FROM added`;
  const gone = `SELECT rollout, stage, state, -1 FROM gone`;
  const sum = (rows: string) => `INSERT INTO rollout_count (rollout, stage, state, n)
      SELECT rollout, stage, state, sum(n) FROM (${rows}) AS moved(rollout, stage, state, n)
      GROUP BY rollout, stage, state HAVING sum(n) <> 0;`;
  await db.query(`CREATE FUNCTION rollout_count_moved() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF TG_OP = 'INSERT' THEN ${sum(added)}
      ELSIF TG_OP = 'UPDATE' THEN ${sum(`${added} UNION ALL ${gone}`)}
      ELSE ${sum(gone)}
      END IF;
      RETURN NULL;
    END $$`);
  const tables = { insert: 'NEW TABLE AS added', update: 'OLD TABLE AS gone NEW TABLE AS added', delete: 'OLD TABLE AS gone' };
  for (const [event, referencing] of Object.entries(tables))
    await db.query(`CREATE TRIGGER rollout_count_${event} AFTER ${event.toUpperCase()} ON "rollout_target"
        REFERENCING ${referencing} FOR EACH STATEMENT EXECUTE FUNCTION rollout_count_moved()`);
}
