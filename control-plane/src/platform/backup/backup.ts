import { readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { Artifacts } from '../artifacts.js';
import { dataFormat, type DataFolder } from '../data-folder.js';
import { nullWhenMissing, syncFolder } from '../durable-file.js';
import { makeFolder } from '../make-folder.js';
import { findCluster } from '../postgres/place.js';
import { secretsFolder } from '../secrets.js';
import { copyCluster } from './base-backup.js';
import { backupFormat, BackupError, type BackupManifest, writeManifest } from './backup-manifest.js';
import { CopiedTree } from './copied-tree.js';

/** Parts of a backup, under the names that they have in the data folder. */
export const parts = { cluster: 'postgres', artifacts: 'artifacts', adminToken: 'admin-token', blocks: 'blocks.json' } as const;

type DataPaths = Pick<DataFolder, 'dir' | 'secretsDir' | 'path'>;

interface BackupOrder {
  dataFolder: DataPaths;
  artifacts: Artifacts;
  /** Where the embedded database answers; an external one is backed up by its own tools. */
  database: { kind: 'embedded'; url: string } | { kind: 'external' };
  /** A folder that is not there yet. */
  target: string;
}

/** All that a control plane needs to go on elsewhere, copied while it runs. The folder appears when it is complete. */
export async function backup({ dataFolder, artifacts, database, target: path }: BackupOrder): Promise<BackupManifest> {
  if (database.kind === 'external') throw new BackupError(ownTools);
  const target = resolve(path);
  const found = await stat(target)
    .catch(nullWhenMissing)
    .catch((error: unknown) => {
      throw explain(error, target);
    });
  if (found) throw new BackupError(`${target} exists already: name a folder that is not there yet`);
  const partial = `${target}.partial`;
  await begin(partial, target);
  try {
    const manifest = await fill(partial, dataFolder, artifacts, database.url);
    await rename(partial, target);
    await syncFolder(dirname(target));
    return manifest;
  } catch (error) {
    await rm(partial, { recursive: true, force: true });
    throw explain(error, target);
  }
}

/** In a new folder; what an earlier one left there is thrown away. */
async function begin(partial: string, target: string): Promise<void> {
  try {
    await rm(partial, { recursive: true, force: true });
    await makeFolder(partial, 0o700);
  } catch (error) {
    const known = explain(error, target);
    if (known instanceof BackupError) throw known;
    throw new BackupError(`the backup ${target} can't be begun: ${(error as Error).message}`, { cause: error });
  }
}

const ownTools =
  'the database is an external one (DATABASE_URL): back it up with its own tools, pg_dump or pg_basebackup, and copy the secrets and artifacts folders of the data folder after that';

async function fill(dir: string, dataFolder: DataPaths, artifacts: Artifacts, url: string): Promise<BackupManifest> {
  const clusterDir = await findCluster(dataFolder.dir);
  if (!clusterDir) throw new BackupError(`${dataFolder.dir} has no database to back up`);
  const tree = new CopiedTree(dir);
  await tree.tree(dataFolder.secretsDir, secretsFolder);
  await tree.file(dataFolder.path(parts.adminToken), parts.adminToken);
  await copyCluster(url, clusterDir, tree, parts.cluster);
  // After the database: it knows no less of what must not run.
  await tree.file(dataFolder.path(parts.blocks), parts.blocks);
  // After the database: every artifact that a row names was there before the row was.
  await copyArtifacts(artifacts, tree);
  const manifest: BackupManifest = {
    format: backupFormat,
    dataFormat,
    createdAt: new Date().toISOString(),
    postgres: (await readFile(join(clusterDir, 'PG_VERSION'), 'utf8')).trim(),
    folders: tree.folders,
    files: tree.files,
  };
  await writeManifest(dir, manifest);
  return manifest;
}

async function copyArtifacts(artifacts: Artifacts, tree: CopiedTree): Promise<void> {
  await tree.folder(parts.artifacts);
  const made = new Set<string>();
  for (const sha256 of await artifacts.list()) {
    const shelf = `${parts.artifacts}/${sha256.slice(0, 2)}`;
    if (!made.has(shelf)) await tree.folder(shelf);
    made.add(shelf);
    const { size } = (await artifacts.has(sha256))!;
    await tree.immutable(join(artifacts.dir, sha256.slice(0, 2), sha256), `${shelf}/${sha256}`, { size, sha256 });
  }
}

function explain(error: unknown, target: string): unknown {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ENOSPC' || code === 'EDQUOT') return new BackupError(`no space left for the backup ${target}`, { cause: error });
  if (code === 'EACCES' || code === 'EROFS' || code === 'ENOTDIR') {
    return new BackupError(`the backup ${target} can't be written: ${message}`, { cause: error });
  }
  return error;
}
