import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isLocked, openDataFolder } from '../supervisor/data-lock.js';

const prefix = 'flotilla-try-';
/** One that is younger may be another's that is just being made. */
const settledMs = 60_000;

type TrialFolder = { path: string; remove: () => Promise<void> };

/** A data folder for as long as this process lives. Those of others that were killed are taken away, too: their lock died with them. */
export async function trialFolder(): Promise<TrialFolder> {
  await sweep();
  const path = await mkdtemp(join(tmpdir(), prefix));
  const lock = openDataFolder(path);
  return {
    path,
    remove: async () => {
      lock.release();
      await rm(path, { recursive: true, force: true });
    },
  };
}

async function sweep(): Promise<void> {
  const names = (await readdir(tmpdir())).filter((name) => name.startsWith(prefix));
  for (const path of names.map((name) => join(tmpdir(), name)))
    if (await isAbandoned(path)) await rm(path, { recursive: true, force: true });
}

async function isAbandoned(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  if (found?.uid !== process.getuid?.() || !found?.isDirectory() || Date.now() - found.mtimeMs < settledMs) return false;
  return existsSync(join(path, 'lock.db')) && !isLocked(path);
}
