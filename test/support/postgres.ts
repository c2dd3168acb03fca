import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDatabase } from '@flotilla/control-plane/platform/database';
import { createLogger } from '@flotilla/control-plane/platform/logger';
import { startEmbeddedPostgres } from '@flotilla/control-plane/platform/postgres/embedded-postgres';
import pg from 'pg';
import { afterAll } from 'vitest';

export type Database = Awaited<ReturnType<typeof openDatabase>>;

interface Server {
  url: string;
  stop(): Promise<void>;
}

let server: Promise<Server> | undefined;

/** An empty database of a real server: the one of `TEST_DATABASE_URL`, or an embedded one, started once per test file. */
export async function anEmptyDatabase(): Promise<{ url: string; close: () => Promise<void> }> {
  server ??= startServer();
  const name = `test_${randomBytes(6).toString('hex')}`;
  const admin = (await server).url;
  await run(admin, `CREATE DATABASE ${name}`);
  const url = new URL(admin);
  url.pathname = `/${name}`;
  return { url: url.href, close: () => run(admin, `DROP DATABASE ${name} WITH (FORCE)`) };
}

/** One with our tables. `close` also closes `db`; more connections to the same database: `openDatabase(url)`. */
export async function aDatabase(): Promise<{ db: Database; url: string; close: () => Promise<void> }> {
  const empty = await anEmptyDatabase();
  const db = await openDatabase(empty.url);
  const close = async () => {
    if (db.isInitialized) await db.destroy();
    await empty.close();
  };
  return { db, url: empty.url, close };
}

// The server's processes must not outlive the test file.
afterAll(async () => (await server)?.stop());

async function startServer(): Promise<Server> {
  const given = process.env['TEST_DATABASE_URL'];
  if (given) return { url: given, stop: () => Promise.resolve() };
  const dataDir = await mkdtemp(join(tmpdir(), 'flotilla-test-'));
  const embedded = await startEmbeddedPostgres({ dataDir, log: createLogger('silent') });
  const stop = async () => {
    await embedded.stop();
    await rm(dataDir, { recursive: true, force: true });
  };
  return { url: embedded.url, stop };
}

async function run(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
