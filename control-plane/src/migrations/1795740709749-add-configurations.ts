import type { MigrationInterface, QueryRunner } from 'typeorm';

export class AddConfigurations1795740709749 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`CREATE TABLE "configuration_report" ("device" text NOT NULL,
        "epoch" integer NOT NULL,
        "digest" text,
        "slots" jsonb NOT NULL,
        "refused" jsonb NOT NULL,
        "at" TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT "PK_a9dcd81b5c3e21d9a65d42b1c97" PRIMARY KEY ("device"))`);
    await db.query(`CREATE TABLE "configuration" ("scope" text NOT NULL,
        "name" text NOT NULL,
        "version" integer NOT NULL,
        "priority" integer NOT NULL,
        "slots" json NOT NULL,
        CONSTRAINT "PK_b6c443e03ed113b926e54226269" PRIMARY KEY ("scope", "name"))`);
    await db.query(`CREATE TABLE "configuration_version" ("scope" text NOT NULL,
        "name" text NOT NULL,
        "version" integer NOT NULL,
        "priority" integer NOT NULL,
        "slots" json,
        "comment" text,
        "actor" text NOT NULL,
        "at" TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT "PK_95d034c9da81362b86733b900f2" PRIMARY KEY ("scope", "name", "version"))`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`DROP TABLE "configuration_version"`);
    await db.query(`DROP TABLE "configuration"`);
    await db.query(`DROP TABLE "configuration_report"`);
  }
}
