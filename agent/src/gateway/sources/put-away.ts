import { constants } from 'node:fs';
import { copyFile, link, mkdir, rename, rm, stat, unlink } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { isErrno } from '../../errors.js';
import { isUnchanged, type SourceFile } from './folder-watch.js';

/** Deletes what was inferred, or moves it to a folder, on whatever file system that lies; one that lies there with the same name stays. */
export async function putAway(file: SourceFile, folder: string | undefined): Promise<void> {
  const { path, name } = file;
  // A newer file took the place of the one that was inferred: its turn is to come.
  if (!(await isUnchanged(file))) return;
  if (folder === undefined) return rm(path, { force: true });
  await mkdir(folder, { recursive: true });
  for (let copy = 1; ; copy++) {
    try {
      return await moveNew(path, join(folder, copy === 1 ? name : numbered(name, copy)));
    } catch (error) {
      if (!isErrno(error, 'EEXIST')) throw error;
    }
  }
}

/** Throws EEXIST rather than take another's place, which `rename` would do. */
async function moveNew(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (error) {
    // Another file system, or one without links (FAT, some shares).
    if (!isErrno(error, 'EXDEV', 'EPERM', 'ENOTSUP', 'ENOSYS', 'EMLINK')) throw error;
    await copyNew(from, to);
  }
  await unlink(from);
}

/** Whoever reads the folder never sees half a file. */
async function copyNew(from: string, to: string): Promise<void> {
  if (await exists(to)) throw Object.assign(new Error(`${to} exists`), { code: 'EEXIST' });
  const half = `${to}.part`;
  await copyFile(from, half, constants.COPYFILE_FICLONE);
  await rename(half, to);
}

const numbered = (name: string, copy: number) => `${basename(name, extname(name))}-${copy}${extname(name)}`;

const exists = (path: string) =>
  stat(path).then(
    () => true,
    () => false,
  );
