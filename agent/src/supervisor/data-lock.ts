import { chmodSync, existsSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { readIfThere, writeDurably } from './durable-file.js';
import { errorCode, StartError } from './start-error.js';
import { messageOf } from '../errors.js';

const formatVersion = '1';

interface DataLock {
  release(): void;
}

/**
 * Makes the data folder (0700), checks that it can be written and is of this version, and takes its lock.
 * The lock is SQLite's own, in the kernel: it dies with the process, so no stale file is ever in the way.
 */
export function openDataFolder(folder: string): DataLock {
  try {
    makeFolder(folder);
    chmodSync(folder, 0o700);
    const lock = takeLock(folder);
    checkFormat(folder);
    return lock;
  } catch (error) {
    throw error instanceof StartError ? error : new StartError('dataFolder', explain(folder, error), { cause: error });
  }
}

/** Not Node's own `recursive`: below /proc, and wherever mkdir says ENOENT though the parent is there, that never returns. */
function makeFolder(folder: string): void {
  if (existsSync(folder) && statSync(folder).isDirectory()) return;
  if (dirname(folder) !== folder) makeFolder(dirname(folder));
  mkdirSync(folder, { mode: 0o700 });
}

function takeLock(folder: string): DataLock {
  // Seen first: SQLite reports a folder that cannot be written as "unable to open database file".
  writeDurably(join(folder, 'probe'), '');
  const database = new DatabaseSync(join(folder, 'lock.db'), { timeout: 0 });
  try {
    database.exec('BEGIN EXCLUSIVE');
  } catch (cause) {
    database.close();
    if (!isBusy(cause)) throw cause;
    const message = `The data folder ${folder} is in use by another flotilla-agent: stop that one, or give this one its own "data".`;
    throw new StartError('dataFolder', message, { cause });
  }
  return { release: () => database.close() };
}

/** Is an agent running on this folder? */
export function isLocked(folder: string): boolean {
  const file = join(folder, 'lock.db');
  if (!existsSync(file)) return false;
  const database = new DatabaseSync(file, { timeout: 0 });
  try {
    database.exec('BEGIN EXCLUSIVE');
    return false;
  } catch (error) {
    if (isBusy(error)) return true;
    throw error;
  } finally {
    database.close();
  }
}

const sqliteBusy = 5;
const isBusy = (error: unknown) => error instanceof Error && 'errcode' in error && (Number(error.errcode) & 0xff) === sqliteBusy;

function checkFormat(folder: string): void {
  const file = join(folder, 'format');
  const found = readIfThere(file)?.trim();
  if (found === formatVersion) return;
  if (found !== undefined)
    throw new StartError(
      'dataFolder',
      `The data folder ${folder} has format ${found.slice(0, 20)}; this agent reads format ${formatVersion}: use the agent that wrote it, or another folder.`,
    );
  const others = readdirSync(folder).filter((name) => !['lock.db', 'lock.db-journal', 'probe'].includes(name));
  if (others.length > 0)
    throw new StartError(
      'dataFolder',
      `${folder} is not empty and not an agent's data folder (it holds ${others.slice(0, 3).join(', ')}): name an empty or a new folder as "data".`,
    );
  writeDurably(file, `${formatVersion}\n`);
}

const reasons: Record<string, string> = {
  EROFS: 'is on a read-only file system: mount it writable, or name another folder as "data"',
  EACCES: 'may not be written by this user: change its owner, or name another folder as "data"',
  EPERM: 'may not be written by this user: change its owner, or name another folder as "data"',
  ENOSPC: 'is on a full disk: free some space, then start again',
  EDQUOT: "is beyond its owner's disk quota: free some space, then start again",
  ENOENT: 'cannot be made there: name another one as "data"',
  EEXIST: 'has a file in its place, or in that of a folder above it: name another one as "data"',
};

function explain(folder: string, error: unknown): string {
  const reason = reasons[errorCode(error) ?? ''] ?? `cannot be used (${messageOf(error)})`;
  return `The data folder ${folder} ${reason}.`;
}
