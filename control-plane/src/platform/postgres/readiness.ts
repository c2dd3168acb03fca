import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { superuser } from './cluster.js';
import { PostgresError } from './postgres-error.js';
import { port } from './socket-folder.js';

const databaseName = 'flotilla';

interface Address {
  socketDir: string;
  password: string;
}

export const urlOf = ({ socketDir, password }: Address) =>
  `postgresql://${superuser}:${password}@localhost:${port}/${databaseName}?host=${encodeURIComponent(socketDir)}`;

/** Not up yet: no socket, nobody listening on it, or the server recovering from a crash. */
const notYet = new Set(['ENOENT', 'ECONNREFUSED', 'ECONNRESET', '57P03']);
/** Recovery of at most `max_wal_size` on a slow disk. */
const patienceMs = 120_000;

/** Resolves when our database answers, having been made if it was not there. */
export async function untilReady(address: Address, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + patienceMs;
  for (;;) {
    const failure = await tryOnce(address);
    if (failure === null) return;
    if (!notYet.has(failure.code ?? '') || performance.now() > deadline) {
      throw new PostgresError(`the embedded database does not answer: ${failure.message}`, { cause: failure });
    }
    await delay(30, undefined, { signal });
  }
}

async function tryOnce({ socketDir, password }: Address): Promise<NodeJS.ErrnoException | null> {
  const client = new pg.Client({ host: socketDir, port, user: superuser, password, database: 'postgres' });
  try {
    await client.connect();
    const { rowCount } = await client.query('SELECT FROM pg_database WHERE datname = $1', [databaseName]);
    if (rowCount === 0) await client.query(`CREATE DATABASE ${databaseName}`);
    return null;
  } catch (error) {
    return error as NodeJS.ErrnoException;
  } finally {
    await client.end().catch(() => undefined);
  }
}
