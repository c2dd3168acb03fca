import { chown, mkdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { nullWhenMissing, syncFolder } from '../durable-file.js';
import { PostgresError } from './postgres-error.js';
import { runAs, type ServerUser } from './server-user.js';

export const superuser = 'flotilla';

interface NewCluster {
  dir: string;
  initdb: string;
  user: ServerUser | null;
  password: string;
  /** The server's user can read in it, and no other. */
  socketDir: string;
}

/**
 * Made beside its place and renamed, so that a cluster is whole or absent. Passwords are asked for on the socket too: the
 * server may run as `nobody`, who others run as. Collation is PostgreSQL's own, equal on every machine.
 */
export async function makeCluster(cluster: NewCluster): Promise<void> {
  const unfinished = `${cluster.dir}.new`;
  // An initdb whose parent was killed may still be writing there.
  await rm(unfinished, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  await mkdir(unfinished, { recursive: true, mode: 0o700 });
  const passwordFile = join(cluster.socketDir, 'password');
  await writeFile(passwordFile, cluster.password, { mode: 0o600 });
  if (cluster.user) for (const path of [unfinished, passwordFile]) await chown(path, cluster.user.uid, cluster.user.gid);
  try {
    await initialise(cluster, unfinished, passwordFile);
  } finally {
    await rm(passwordFile);
  }
  await rename(unfinished, cluster.dir);
  await syncFolder(join(cluster.dir, '..'));
}

async function initialise({ initdb, user }: NewCluster, dir: string, passwordFile: string): Promise<void> {
  const flags = [
    `--pgdata=${dir}`,
    `--username=${superuser}`,
    `--pwfile=${passwordFile}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    '--locale=C',
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    '--data-checksums',
  ];
  await runAs(user, initdb, flags).catch((cause: Error & { stderr?: string }) => {
    const said = cause.stderr?.trim().split('\n').at(-1) ?? cause.message;
    throw new PostgresError(`the database could not be made in ${dir}: ${said}`, { cause });
  });
}

export const clusterExists = async (dir: string): Promise<boolean> =>
  (await stat(join(dir, 'PG_VERSION')).catch(nullWhenMissing)) !== null;
