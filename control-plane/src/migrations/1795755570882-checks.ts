import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What checks outside said last of a rollout's stages. */
export class Checks1795755570882 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`CREATE TABLE "rollout_check" ("rollout" uuid NOT NULL,
        "stage" integer NOT NULL,
        "name" text NOT NULL,
        "verdict" text NOT NULL,
        "detail" text NOT NULL,
        "times" integer NOT NULL,
        "at" TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT "PK_71f400bdeafab35f2dc81f846c2" PRIMARY KEY ("rollout", "stage", "name"))`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`DROP TABLE "rollout_check"`);
  }
}
