import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDatabase, schemaDrift } from './database.js';
import { createLogger } from './logger.js';
import { startEmbeddedPostgres } from './postgres/embedded-postgres.js';

/** Exit 1, with the missing statements, where the entities say more than the migrations do. */
const dataDir = await mkdtemp(join(tmpdir(), 'flotilla-drift-'));
const server = await startEmbeddedPostgres({ dataDir, log: createLogger('silent') });
const db = await openDatabase(server.url);
try {
  const drift = await schemaDrift(db);
  if (drift.length > 0) {
    console.error(`the entities are ahead of the migrations: run platform/generate-migration.js\n${drift.join('\n')}`);
    process.exitCode = 1;
  }
} finally {
  await db.destroy();
  await server.stop();
  await rm(dataDir, { recursive: true, force: true });
}
