import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { openDataFolder } from './data-folder.js';
import { nullWhenMissing } from './durable-file.js';
import type { Logger } from './logger.js';
import { stopOrphan } from './postgres/orphan.js';
import { findCluster, removeElsewhere } from './postgres/place.js';

/** To begin anew: refuses a folder that is in use, or that is none of ours. */
export async function clearDataFolder(dir: string, log: Logger): Promise<void> {
  if (!(await stat(dir).catch(nullWhenMissing))) return;
  const folder = await openDataFolder(dir);
  try {
    const cluster = await findCluster(folder.dir);
    if (cluster) await stopOrphan(cluster, log);
    await emptyDataFolder(folder.dir);
  } finally {
    folder.close();
  }
}

/** With the database that lies elsewhere. */
export async function emptyDataFolder(dir: string): Promise<void> {
  await removeElsewhere(dir);
  for (const name of await readdir(dir)) await rm(join(dir, name), { recursive: true, force: true });
}
