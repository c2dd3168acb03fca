import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * With its parents; one that is there is left as it is. Node's own `recursive` tries for ever, on a whole core, where a parent is there
 * and nothing can be made in it (/proc).
 */
export async function makeFolder(path: string, mode: number): Promise<void> {
  try {
    await mkdir(path, { mode });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (await isFolder(path)) return;
    if (code !== 'ENOENT' || (await isFolder(dirname(path)))) throw error;
    await makeFolder(dirname(path), mode);
    await makeFolder(path, mode);
  }
}

const isFolder = (path: string) =>
  stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
