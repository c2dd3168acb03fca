import { chown, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PostgresError } from './postgres-error.js';
import { canEnter, type ServerUser } from './server-user.js';

export const port = 5432;
/** `sun_path` less its final NUL. */
const longest = process.platform === 'darwin' ? 103 : 107;
/** What mkdtemp and the server put behind the folder that it is in. */
const tail = `/flotilla-XXXXXX/.s.PGSQL.${port}`;

/** A fresh folder that only the server's user, and root, can enter; its path is short enough for a socket. */
export async function makeSocketFolder(runtimeDir: string | undefined, user: ServerUser | null): Promise<string> {
  const problems: string[] = [];
  for (const base of [runtimeDir, tmpdir()]) {
    if (!base) continue;
    const problem = await problemOf(base, user);
    if (!problem) return ownedFolder(base, user);
    problems.push(problem);
  }
  throw new PostgresError(
    `no folder for PostgreSQL's socket: ${problems.join('; ')}; set TMPDIR to a short path that everyone may enter`,
  );
}

async function problemOf(base: string, user: ServerUser | null): Promise<string | null> {
  const bytes = Buffer.byteLength(base + tail);
  if (bytes > longest) return `a socket in ${base} would have a path of ${bytes} bytes, and ${longest} are allowed`;
  return (await canEnter(user, base)) ? null : `${user?.name ?? 'this user'} may not enter ${base}`;
}

async function ownedFolder(base: string, user: ServerUser | null): Promise<string> {
  const dir = await mkdtemp(join(base, 'flotilla-'));
  if (user) await chown(dir, user.uid, user.gid);
  return dir;
}
