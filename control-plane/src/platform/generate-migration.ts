import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDatabase } from './database.js';
import { createLogger } from './logger.js';
import { startEmbeddedPostgres } from './postgres/embedded-postgres.js';

/**
 * Prints the migration that the checked-in ones lack for the tables to be as the entities say; `--first`: one for all of it.
 * `node control-plane/dist/src/platform/generate-migration.js AddSites > control-plane/src/migrations/…-add-sites.ts`
 */
const [name = 'Change', mode] = process.argv.slice(2);
const dataDir = await mkdtemp(join(tmpdir(), 'flotilla-migration-'));
const server = await startEmbeddedPostgres({ dataDir, log: createLogger('silent') });
const db = await openDatabase(server.url, undefined, mode === '--first' ? [] : undefined);
try {
  const { upQueries, downQueries } = await db.driver.createSchemaBuilder().log();
  console.log(`import type { MigrationInterface, QueryRunner } from 'typeorm';

export class ${name}${Date.now()} implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
${upQueries.map(({ query }) => statement(query)).join('\n')}
  }

  async down(db: QueryRunner): Promise<void> {
${downQueries
  .map(({ query }) => statement(query))
  .toReversed()
  .join('\n')}
  }
}`);
} finally {
  await db.destroy();
  await server.stop();
  await rm(dataDir, { recursive: true, force: true });
}

/** A table's columns and constraints, one a line. */
function statement(query: string): string {
  const lines = query.trim().replaceAll(/, (?="\w+" \w|CONSTRAINT)/g, ',\n        ');
  return `    await db.query(\`${lines}\`);`;
}
