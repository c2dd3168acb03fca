import { chown, mkdir, readdir, rename } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { emptyDataFolder } from '../clear-data-folder.js';
import { dataFormat, openDataFolder, type DataFolder } from '../data-folder.js';
import { nullWhenMissing } from '../durable-file.js';
import type { Logger } from '../logger.js';
import { defaultSystemDir } from '../postgres/embedded-postgres.js';
import { findInstallation } from '../postgres/installation.js';
import { placeCluster } from '../postgres/place.js';
import { chooseUser, type ServerUser } from '../postgres/server-user.js';
import { BackupError, type BackupManifest, readManifest } from './backup-manifest.js';
import { parts } from './backup.js';
import { copyFile, eachOf } from './copied-tree.js';

interface RestoreOrder {
  /** A folder that `backup` made. */
  from: string;
  /** Empty, or not there yet. */
  dataDir: string;
  log: Logger;
  /** With one, the database is not ours to restore. */
  databaseUrl?: string | undefined;
  systemDir?: string;
}

/** Makes a data folder out of a backup, each file checked on the way; all of it, or nothing. */
export async function restore({
  from,
  dataDir,
  log,
  databaseUrl,
  systemDir = defaultSystemDir,
}: RestoreOrder): Promise<BackupManifest> {
  if (databaseUrl !== undefined) throw new BackupError(ownTools);
  const manifest = await readManifest(from);
  await refuseUnreadable(from, manifest);
  if ((await readdir(dataDir).catch(nullWhenMissing))?.length) {
    throw new BackupError(`${resolve(dataDir)} is not empty: restore into an empty or a new folder`);
  }
  const folder = await openDataFolder(dataDir);
  try {
    await copyBack(from, manifest, folder, { log, systemDir });
    return manifest;
  } catch (error) {
    await emptyDataFolder(folder.dir);
    throw error;
  } finally {
    folder.close();
  }
}

const ownTools =
  'the database is an external one (DATABASE_URL): restore it with its own tools, pg_restore or the copy that pg_basebackup made; without DATABASE_URL, the embedded one is restored';

async function refuseUnreadable(from: string, manifest: BackupManifest): Promise<void> {
  if (manifest.dataFormat > dataFormat) {
    throw new BackupError(`the backup ${from} is of a newer Flotilla (data format ${manifest.dataFormat}): restore it with that`);
  }
  const { version } = await findInstallation();
  if (version.split('.')[0] === manifest.postgres) return;
  throw new BackupError(
    `the backup ${from} is of PostgreSQL ${manifest.postgres}, and this version brings ${version}: restore it with the Flotilla that made it`,
  );
}

type Surroundings = { log: Logger; systemDir: string };

async function copyBack(
  from: string,
  manifest: BackupManifest,
  folder: DataFolder,
  { log, systemDir }: Surroundings,
): Promise<void> {
  const user = await chooseUser('');
  const clusterDir = await placeCluster(folder.dir, user, systemDir, log);
  const unfinished = `${clusterDir}.new`;
  const target = (path: string) => {
    const [part, ...rest] = path.split('/');
    return part === parts.cluster ? { path: join(unfinished, ...rest), owner: user } : { path: folder.path(path), owner: null };
  };
  for (const path of manifest.folders) await makeFolder(target(path));
  await eachOf(manifest.files, async ({ path, size, sha256 }) => {
    const { path: to, owner } = target(path);
    const copied = await copyFile(join(from, path), to, owner).catch((error: unknown) => explain(error, from, path));
    if (copied.size === size && copied.sha256 === sha256) return;
    throw new BackupError(`${join(from, path)} is damaged: its checksum is another one`);
  });
  await rename(unfinished, clusterDir);
}

async function makeFolder({ path, owner }: { path: string; owner: ServerUser | null }): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 });
  if (owner) await chown(path, owner.uid, owner.gid);
}

function explain(error: unknown, from: string, path: string): never {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT') throw new BackupError(`the backup ${from} is incomplete: ${path} is missing`, { cause: error });
  throw error;
}
