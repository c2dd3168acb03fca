import { chmod, mkdir, readdir, readFile, realpath, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { nullWhenMissing, writeDurably } from './durable-file.js';
import { FolderLock, lockFiles } from './folder-lock.js';
import { makeFolder } from './make-folder.js';
import { readSecret, secretsFolder, writeSecret } from './secrets.js';

/** Of what is in the folder, and where. A program refuses a folder whose format is above its own. */
export const dataFormat = 1;
const formatFile = 'format.json';
const Format = z.object({ format: z.int(), createdAt: z.string() });

/** What there may be where a first start failed. */
const madeFirst = new Set<string>([...lockFiles, secretsFolder]);

/** Below this, PostgreSQL can't even be created; near zero it stops. */
const neededMiB = 64;

export interface DataFolder {
  /** The real path: no link in it. */
  dir: string;
  secretsDir: string;
  path(...names: string[]): string;
  writeSecret(name: string, bytes: string | Uint8Array): Promise<void>;
  readSecret(name: string): Promise<Buffer | null>;
  close(): void;
}

/** A data folder that can't be used, in a sentence for whoever starts the program. */
export class DataFolderError extends Error {
  override readonly name = 'DataFolderError';
}

/** As root, PostgreSQL's own user must get through to its folder; it can't list this one. */
export const dataFolderMode = () => (process.getuid?.() === 0 ? 0o711 : 0o700);

/** Made when absent, locked against a second process, of a format that this version knows. */
export async function openDataFolder(path: string): Promise<DataFolder> {
  try {
    await makeDataFolder(path);
    const dir = await realpath(path);
    const lock = await lockFolder(dir);
    return await checkFormat(dir).then(
      () => folderAt(dir, lock),
      (error: unknown) => {
        lock.release();
        throw error;
      },
    );
  } catch (error) {
    throw explain(error, path);
  }
}

const folderAt = (dir: string, lock: FolderLock): DataFolder => ({
  dir,
  secretsDir: join(dir, secretsFolder),
  path: (...names) => join(dir, ...names),
  writeSecret: (name, bytes) => writeSecret(dir, name, bytes),
  readSecret: (name) => readSecret(dir, name),
  close: () => lock.release(),
});

async function makeDataFolder(dir: string): Promise<void> {
  await makeFolder(dirname(dir), 0o777);
  // Not with its parents at once: on a read-only disk that fails with the wrong reason.
  await mkdir(dir, { mode: 0o700 }).catch(unlessExists);
  const names = await readdir(dir);
  const ours = names.includes(formatFile) || names.every((name) => madeFirst.has(name));
  if (!ours)
    throw new DataFolderError(`${dir} holds other files and is no data folder of Flotilla: choose an empty or a new one`);
  if (names.includes(formatFile)) await refuseForeign(dir);
  await chmod(dir, dataFolderMode());
  await mkdir(join(dir, secretsFolder), { recursive: true, mode: 0o700 });
}

async function refuseForeign(dir: string): Promise<void> {
  const { uid } = await stat(join(dir, formatFile));
  const own = process.getuid?.() ?? uid;
  if (uid !== own)
    throw new DataFolderError(`the data folder ${dir} belongs to uid ${uid}, and this is uid ${own}: start as that user`);
}

async function lockFolder(dir: string): Promise<FolderLock> {
  await probeWriting(dir);
  const lock = FolderLock.take(dir);
  if (lock) return lock;
  throw new DataFolderError(
    `the data folder ${dir} is in use by ${FolderLock.holder(dir)}: stop that one, or choose another folder`,
  );
}

async function probeWriting(dir: string): Promise<void> {
  const probe = join(dir, secretsFolder, `.probe-${process.pid}`);
  try {
    await writeFile(probe, Buffer.alloc(4096));
  } finally {
    await rm(probe, { force: true });
  }
  const { bavail, bsize } = await statfs(dir);
  const freeMiB = Math.floor((bavail * bsize) / 2 ** 20);
  if (freeMiB >= neededMiB) return;
  throw new DataFolderError(
    `the disk of the data folder ${dir} has ${freeMiB} MiB free, and at least ${neededMiB} are needed: free some`,
  );
}

async function checkFormat(dir: string): Promise<void> {
  const path = join(dir, formatFile);
  const text = await readFile(path, 'utf8').catch(nullWhenMissing);
  if (text === null) return writeFormat(path);
  const found = Format.safeParse(parseJson(text));
  if (!found.success)
    throw new DataFolderError(`${path} can't be read as a format version: restore the data folder from a backup`);
  if (found.data.format <= dataFormat) return;
  throw new DataFolderError(
    `the data folder ${dir} has format ${found.data.format} of a newer Flotilla, and this version knows ${dataFormat}: start the newer one, or choose another folder`,
  );
}

const writeFormat = (path: string) =>
  writeDurably(path, `${JSON.stringify({ format: dataFormat, createdAt: new Date().toISOString() })}\n`);

function unlessExists(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST') throw error;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const reasons: Record<string, string> = {
  ENOTDIR: 'it, or a part of its path, is not a folder',
  EEXIST: 'a part of its path is not a folder',
  ENOENT: 'its parent folder is not there and can not be made',
  EACCES: 'this user may not write there',
  EPERM: 'this user may not write there',
  EROFS: 'it is read-only',
  ENOSPC: 'its disk is full',
  EDQUOT: 'its disk quota is used up',
};

function explain(error: unknown, dir: string): unknown {
  const reason = reasons[(error as NodeJS.ErrnoException).code ?? ''];
  return reason ? new DataFolderError(`the data folder ${dir} can't be used: ${reason}`, { cause: error }) : error;
}
