import { randomBytes } from 'node:crypto';
import { existsSync, renameSync, rmSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import type { HeldRecords } from './outbox-contract.js';
import { findBrokenSeal, sealMeta, sealOf, survey, type Row } from './outbox-seal.js';

/** A record has no seq until its first send; from then on seq and body never change. `added` is in the outbox's own seconds. */
const tables = `
  CREATE TABLE meta (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    stream TEXT NOT NULL, thumbprint TEXT NOT NULL,
    next INTEGER NOT NULL, dropped INTEGER NOT NULL, lifetime REAL NOT NULL,
    seal INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE record (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    class TEXT NOT NULL CHECK (class IN ('event', 'window')),
    seq INTEGER UNIQUE,
    added REAL NOT NULL,
    body TEXT NOT NULL,
    seal INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX unsent ON record (class, id) WHERE seq IS NULL;
`;
const schemaVersion = 2;

export const newStreamId = () => randomBytes(16).toString('hex');

/** What was wrong with the file that is now beside the new one. */
export type SetAside = 'damaged' | 'of another key' | 'of another version';
export interface Opened {
  readonly database: DatabaseSync;
  readonly setAside?: SetAside;
  readonly detail?: string;
  /** Of the file that was set aside, unless it was another key's. */
  readonly held?: HeldRecords;
}

export function openMemory(thumbprint: string): DatabaseSync {
  const database = new DatabaseSync(':memory:');
  create(database, thumbprint, 0);
  return database;
}

/** Opens or makes the file. One that is damaged or another device's is renamed, so that nothing is lost that somebody may want to see. */
export function openFile(file: string, thumbprint: string): Opened {
  let wrong: { setAside: SetAside; detail: string };
  try {
    const { database, problem } = inspect(file, thumbprint, 0);
    if (!problem) return { database };
    database.close();
    wrong = problem;
  } catch (error) {
    if (!isDamage(error)) throw error;
    wrong = { setAside: 'damaged', detail: error.message };
  }
  moveAside(file);
  if (wrong.setAside === 'of another key') return { ...wrong, database: inspect(file, thumbprint, 0).database };
  const held = surveyFile(`${file}.aside`);
  const dropped = (held.dropped ?? 0) + held.sent + held.unsent;
  return { ...wrong, held, database: inspect(file, thumbprint, dropped).database };
}

function surveyFile(file: string): HeldRecords {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(file, { defensive: false });
    // Else SQLite refuses a file that is shorter than it says, however much of it is there.
    database.exec('PRAGMA writable_schema = ON');
    return survey(database);
  } catch {
    return { sent: 0, unsent: 0 }; // no database at all, as was said when it was opened
  } finally {
    database?.close();
  }
}

type Inspected = { database: DatabaseSync; problem?: { setAside: SetAside; detail: string } };

function inspect(file: string, thumbprint: string, dropped: number): Inspected {
  const database = new DatabaseSync(file);
  try {
    // FULL: a commit survives a power cut. The journal's size limit gives flash its space back after a burst.
    database.exec(
      'PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 1048576; PRAGMA cache_size = -512',
    );
    if (userVersion(database) === 0) create(database, thumbprint, dropped);
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
  if (userVersion(database) === 1) addSeals(database);
  const version = userVersion(database);
  if (version !== schemaVersion) return { setAside: 'of another version', detail: `version ${version}` };
  const owner = database.prepare('SELECT thumbprint FROM meta').get()?.['thumbprint'];
  const broken = findBrokenSeal(database);
  if (broken) return { setAside: 'damaged', detail: broken };
  if (owner !== thumbprint) return { setAside: 'of another key', detail: `key ${String(owner)}` };
  return undefined;
}

function create(database: DatabaseSync, thumbprint: string, dropped: number): void {
  database.exec(`BEGIN; ${tables} PRAGMA user_version = ${schemaVersion}`);
  database.prepare('INSERT INTO meta VALUES (1, ?, ?, 0, ?, 0, 0)').run(newStreamId(), thumbprint, dropped);
  sealMeta(database);
  database.exec('COMMIT');
}

/** Version 1 had none. */
function addSeals(database: DatabaseSync): void {
  database.exec('BEGIN; ALTER TABLE meta ADD COLUMN seal INTEGER NOT NULL DEFAULT 0');
  database.exec('ALTER TABLE record ADD COLUMN seal INTEGER NOT NULL DEFAULT 0');
  const seal = database.prepare('UPDATE record SET seal = ? WHERE id = ?');
  const rows = database.prepare('SELECT id, class, seq, body FROM record').all() as unknown as (Row & { id: number })[];
  for (const row of rows) seal.run(sealOf(row), row.id);
  sealMeta(database);
  database.exec('PRAGMA user_version = 2; COMMIT');
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
