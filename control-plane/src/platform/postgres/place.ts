import { createHash } from 'node:crypto';
import { chmod, mkdir, readFile, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { dataFolderMode } from '../data-folder.js';
import { nullWhenMissing, writeDurably } from '../durable-file.js';
import type { Logger } from '../logger.js';
import { PostgresError } from './postgres-error.js';
import { canEnter, type ServerUser } from './server-user.js';

/** Names, in the data folder, the cluster's folder where that is elsewhere. */
const locationFile = 'postgres.location';
const clusterFolder = 'postgres';
/** Names, beside such a cluster, the data folder that it belongs to. */
const ownerFile = 'data-folder';

/** Where the cluster of this data folder is, or null before there is one. */
export async function findCluster(dataDir: string): Promise<string | null> {
  const elsewhere = await readFile(join(dataDir, locationFile), 'utf8').catch(nullWhenMissing);
  if (elsewhere !== null) return claim(elsewhere.trim(), dataDir);
  const inside = join(dataDir, clusterFolder);
  return (await stat(join(inside, 'PG_VERSION')).catch(nullWhenMissing)) ? inside : null;
}

/** A place for a new cluster: in the data folder, or elsewhere when the server's user can't get into that. */
export async function placeCluster(dataDir: string, user: ServerUser | null, systemDir: string, log: Logger): Promise<string> {
  await chmod(dataDir, dataFolderMode());
  if (await canEnter(user, dataDir)) return join(dataDir, clusterFolder);
  const home = join(systemDir, createHash('sha256').update(dataDir).digest('hex').slice(0, 16));
  if (await stat(home).catch(nullWhenMissing)) log.warn({ home }, 'removing the database of an earlier data folder at this path');
  await rm(home, { recursive: true, force: true });
  await mkdir(home, { recursive: true, mode: 0o755 });
  await writeDurably(join(home, ownerFile), dataDir);
  await writeDurably(join(dataDir, locationFile), join(home, clusterFolder));
  return join(home, clusterFolder);
}

/** Removes what `placeCluster` made outside the data folder. */
export async function removeElsewhere(dataDir: string): Promise<void> {
  const elsewhere = await readFile(join(dataDir, locationFile), 'utf8').catch(nullWhenMissing);
  if (elsewhere !== null) await rm(dirname(elsewhere.trim()), { recursive: true, force: true });
}

/** A data folder that was moved takes its database along; a copied one would share it. */
async function claim(cluster: string, dataDir: string): Promise<string> {
  const record = join(dirname(cluster), ownerFile);
  const owner = await readFile(record, 'utf8').catch(nullWhenMissing);
  if (owner === null) throw new PostgresError(`${dataDir} has its database in ${cluster}, which is gone: restore a backup`);
  if (owner === dataDir) return cluster;
  if (await stat(join(owner, locationFile)).catch(nullWhenMissing)) {
    throw new PostgresError(`${dataDir} is a copy of ${owner}, and the database of both is ${cluster}: restore a backup instead`);
  }
  await writeDurably(record, dataDir);
  return cluster;
}
