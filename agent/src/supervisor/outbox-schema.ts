import { randomBytes } from 'node:crypto';
import { existsSync, renameSync, rmSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';

export type RecordClass = 'event' | 'window';
export interface NewRecord {
  readonly class: RecordClass;
  /** The record as JSON: kept as it is until it is acknowledged. */
  readonly body: string;
}
/** Record i has sequence number seq0 + i. */
export interface OutboxBatch {
  readonly class: RecordClass;
  readonly seq0: number;
  readonly bodies: readonly string[];
}
export interface BatchLimits {
  readonly maxBytes: number;
  readonly maxRecords: number;
}
export interface OutboxAck {
  readonly upTo: number;
  readonly ranges: readonly (readonly [from: number, to: number])[];
  readonly refused: readonly number[];
}
export interface OutboxState {
  readonly stream: string;
  /** Next sequence number, and the lowest that is still held (or `next`). */
  readonly next: number;
  readonly base: number;
  readonly records: number;
  readonly bytes: number;
  readonly dropped: number;
  readonly unsent: Readonly<Record<RecordClass, number>>;
  readonly durable: boolean;
}
export interface OutboxLimits {
  readonly maxBytes: number;
  /** In seconds that the agent ran: the wall clock of a device may jump by decades. */
  readonly maxAgeS: number;
}
/** A record has no seq until its first send; from then on seq and body never change. `added` is in the outbox's own seconds. */
const tables = `
  CREATE TABLE meta (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    stream TEXT NOT NULL, thumbprint TEXT NOT NULL,
    next INTEGER NOT NULL, dropped INTEGER NOT NULL, lifetime REAL NOT NULL
  ) STRICT;
  CREATE TABLE record (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    class TEXT NOT NULL CHECK (class IN ('event', 'window')),
    seq INTEGER UNIQUE,
    added REAL NOT NULL,
    body TEXT NOT NULL
  ) STRICT;
  CREATE INDEX unsent ON record (class, id) WHERE seq IS NULL;
`;
const schemaVersion = 1;

export const newStreamId = () => randomBytes(16).toString('hex');

/** What was wrong with the file that is now beside the new one. */
export type SetAside = 'damaged' | 'of another key' | 'of another version';
export interface Opened {
  readonly database: DatabaseSync;
  readonly setAside?: SetAside;
  readonly detail?: string;
}

export function openMemory(thumbprint: string): DatabaseSync {
  const database = new DatabaseSync(':memory:');
  create(database, thumbprint);
  return database;
}

/** Opens or makes the file. One that is damaged or another device's is renamed, so that nothing is lost that somebody may want to see. */
export function openFile(file: string, thumbprint: string): Opened {
  let wrong: { setAside: SetAside; detail: string };
  try {
    const { database, problem } = inspect(file, thumbprint);
    if (!problem) return { database };
    database.close();
    wrong = problem;
  } catch (error) {
    if (!isDamage(error)) throw error;
    wrong = { setAside: 'damaged', detail: error.message };
  }
  moveAside(file);
  return { ...wrong, database: inspect(file, thumbprint).database };
}

type Inspected = { database: DatabaseSync; problem?: { setAside: SetAside; detail: string } };

function inspect(file: string, thumbprint: string): Inspected {
  const database = new DatabaseSync(file);
  try {
    // FULL: a commit survives a power cut. The journal's size limit gives flash its space back after a burst.
    database.exec(
      'PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 1048576; PRAGMA cache_size = -512',
    );
    if (userVersion(database) === 0) create(database, thumbprint);
    const problem = findProblem(database, thumbprint);
    return problem ? { database, problem } : { database };
  } catch (error) {
    database.close();
    throw error;
  }
}

function findProblem(database: DatabaseSync, thumbprint: string): Inspected['problem'] {
  const check = String(Object.values(database.prepare('PRAGMA quick_check(1)').get() ?? {})[0]);
  if (check !== 'ok') return { setAside: 'damaged', detail: check.split('\n')[0]! };
  const version = userVersion(database);
  if (version !== schemaVersion) return { setAside: 'of another version', detail: `version ${version}` };
  const owner = database.prepare('SELECT thumbprint FROM meta').get()?.['thumbprint'];
  if (owner !== thumbprint) return { setAside: 'of another key', detail: `key ${String(owner)}` };
  return undefined;
}

function create(database: DatabaseSync, thumbprint: string): void {
  database.exec(`BEGIN; ${tables} PRAGMA user_version = ${schemaVersion}`);
  database.prepare('INSERT INTO meta VALUES (1, ?, ?, 0, 0, 0)').run(newStreamId(), thumbprint);
  database.exec('COMMIT');
}

const userVersion = (database: DatabaseSync) => Number(database.prepare('PRAGMA user_version').get()?.['user_version']);

/** SQLITE_CORRUPT and SQLITE_NOTADB, and SQLITE_ERROR: a table that a whole file would have is missing. */
const damageCodes: readonly number[] = [11, 26, 1];
const isDamage = (error: unknown): error is Error => damageCodes.includes(sqliteCode(error) ?? 0);

/** SQLite's primary result code; undefined for what is no error of SQLite's. */
export const sqliteCode = (error: unknown): number | undefined =>
  error instanceof Error && 'errcode' in error && typeof error.errcode === 'number' ? error.errcode & 0xff : undefined;

/** At most one is kept: the disk is small. */
function moveAside(file: string): void {
  for (const suffix of ['', '-wal', '-shm']) {
    rmSync(`${file}.aside${suffix}`, { force: true });
    if (existsSync(file + suffix)) renameSync(file + suffix, `${file}.aside${suffix}`);
  }
}
