import { execFile } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { promisify } from 'node:util';
import { nullWhenMissing } from '../durable-file.js';
import { PostgresError } from './postgres-error.js';

/** PostgreSQL refuses to run as root, so then it runs as an unprivileged user that is there already. */
export interface ServerUser {
  name: string;
  uid: number;
  gid: number;
}

const candidates = ['postgres', 'nobody'];

/** Null: the user that runs this program. An existing cluster goes on with its owner. */
export async function chooseUser(clusterDir: string): Promise<ServerUser | null> {
  if (process.getuid?.() !== 0) return null;
  const cluster = await stat(clusterDir).catch(nullWhenMissing);
  if (cluster) return { name: `uid ${cluster.uid}`, uid: cluster.uid, gid: cluster.gid };
  for (const name of candidates) {
    const user = await lookUp(name);
    if (user) return user;
  }
  throw new PostgresError(
    `PostgreSQL may not run as root, and there is neither a user ${candidates.join(' nor ')}: start as an ordinary user`,
  );
}

async function lookUp(name: string): Promise<ServerUser | null> {
  try {
    const [uid, gid] = await Promise.all([idOf('-u', name), idOf('-g', name)]);
    return { name, uid, gid };
  } catch {
    // `id` exits with 1: no such user.
    return null;
  }
}

const idOf = async (flag: string, name: string) => Number((await runAs(null, 'id', [flag, name])).stdout);

/** From a folder that everyone may enter, with messages in English. */
export const surroundings = (user: ServerUser | null) => ({
  cwd: '/',
  env: { PATH: '/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C' },
  ...(user ? { uid: user.uid, gid: user.gid } : {}),
});

export const runAs = (user: ServerUser | null, command: string, args: readonly string[]) =>
  promisify(execFile)(command, args, surroundings(user));

export const canEnter = (user: ServerUser | null, dir: string): Promise<boolean> =>
  runAs(user, '/bin/sh', ['-c', 'cd "$1"', 'sh', dir]).then(
    () => true,
    () => false,
  );
