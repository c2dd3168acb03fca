import { readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { z } from 'zod';

const Holder = z.object({ pid: z.int(), host: z.string(), since: z.string() });

/** SQLITE_BUSY: another process, or another connection of this one, holds the lock. */
const busy = 5;

export const lockFiles = ['lock', 'lock-journal', 'lock.json'] as const;

/**
 * One process per folder. The lock is the kernel's, held through SQLite on an empty file: it ends with the process, however
 * that ends, so there is nothing stale to clean up. `lock.json` only says who to ask.
 */
export class FolderLock {
  private constructor(readonly release: () => void) {}

  /** Null when another process holds it. */
  static take(dir: string): FolderLock | null {
    const file = new DatabaseSync(join(dir, 'lock'), { timeout: 0 });
    try {
      file.exec('BEGIN EXCLUSIVE');
    } catch (error) {
      file.close();
      if ((error as { errcode?: number }).errcode === busy) return null;
      throw error;
    }
    const holder: z.infer<typeof Holder> = { pid: process.pid, host: hostname(), since: new Date().toISOString() };
    writeFileSync(join(dir, 'lock.json'), `${JSON.stringify(holder)}\n`, { mode: 0o600 });
    return new FolderLock(() => file.close());
  }

  /** In words, for the one who finds the lock taken. */
  static holder(dir: string): string {
    const found = readHolder(join(dir, 'lock.json'));
    return found ? `process ${found.pid} on ${found.host}, since ${found.since}` : 'another process';
  }
}

/** The holder may be about to write it. */
function readHolder(path: string): z.infer<typeof Holder> | null {
  try {
    return Holder.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch {
    return null;
  }
}
