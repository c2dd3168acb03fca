import type { Pool } from 'pg';
import { DataSource, type MigrationInterface } from 'typeorm';
import { migrations } from '../migrations/index.js';
import { applicationName, ConnectionWatch } from './connection-watch.js';
import { entities } from './entities.js';
import type { Logger } from './logger.js';

/** A database that can't be used, in a sentence for whoever starts the program. */
class DatabaseError extends Error {
  override readonly name = 'DatabaseError';
}

const migrationTable = 'migration';
/** Any constant of our own: replicas that start together migrate one after another. */
const migrationLock = 7_041_970_513;

type Migrations = (new () => MigrationInterface)[];

/** Connects, brings the schema up to date, and refuses one that a newer version has made; from then on its connections are watched. */
export async function openDatabase(url: string, log?: Logger, known: Migrations = migrations): Promise<DataSource> {
  const db = dataSource(url, known, log);
  try {
    await db.initialize();
  } catch (error) {
    throw new DatabaseError(`can't reach the database at ${nameOf(url)}: ${reasonOf(error)}`, { cause: error });
  }
  try {
    await migrate(db);
    new ConnectionWatch((db.driver as unknown as { master: Pool }).master, { url, log });
    return db;
  } catch (error) {
    await db.destroy();
    throw error;
  }
}

/** What would have to be run for the tables to be as the entities say; empty when they are. */
export async function schemaDrift(db: DataSource): Promise<string[]> {
  const { upQueries } = await db.driver.createSchemaBuilder().log();
  return upQueries.map(({ query }) => query);
}

const dataSource = (url: string, known: Migrations, log?: Logger) =>
  new DataSource({
    type: 'postgres',
    url,
    entities,
    migrations: known,
    migrationsTableName: migrationTable,
    migrationsTransactionMode: 'each',
    uuidExtension: 'pgcrypto',
    installExtensions: false,
    applicationName,
    poolSize: 10,
    connectTimeoutMS: 10_000,
    // A process that is stopped in mid-transaction must not keep its row locks for as long.
    // A connection is used again for as long as there is now and then something to do: to log in costs both sides milliseconds.
    extra: { idle_in_transaction_session_timeout: 30_000, idleTimeoutMillis: 60_000 },
    // A connection that breaks while idle is replaced at its next use.
    poolErrorHandler: (error: unknown) => log?.warn({ err: error }, 'a database connection was lost'),
    logging: false,
  });

async function migrate(db: DataSource): Promise<void> {
  const guard = db.createQueryRunner();
  try {
    await guard.query('SELECT pg_advisory_lock($1)', [migrationLock]);
    await refuseNewer(db);
    await db.runMigrations();
  } finally {
    // Ends the session's locks, whatever came of the migrations; a broken session has none.
    await guard.query('SELECT pg_advisory_unlock_all()').catch(() => undefined);
    await guard.release();
  }
}

async function refuseNewer(db: DataSource): Promise<void> {
  const [table] = await db.query<{ found: string | null }[]>('SELECT to_regclass($1) AS found', [migrationTable]);
  if (!table?.found) return;
  const done = await db.query<{ name: string }[]>(`SELECT name FROM ${migrationTable} ORDER BY timestamp`);
  const known = new Set(db.migrations.map((migration) => migration.name ?? migration.constructor.name));
  const newer = done.find(({ name }) => !known.has(name));
  if (!newer) return;
  throw new DatabaseError(
    `the database was migrated by a newer Flotilla (it has ${newer.name}, which this version does not know): start that version, or restore a backup made before`,
  );
}

/** Host and database, without the password. */
function nameOf(url: string): string {
  const { host, pathname, searchParams } = new URL(url);
  return `${searchParams.get('host') ?? host}${pathname}`;
}

/** Several addresses of one host fail together, with an empty message of their own. */
function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(reasonOf).join('; ');
  return error instanceof Error ? error.message : String(error);
}
