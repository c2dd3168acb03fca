import { type FileHandle, open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';

/** A rename is on the disk only once its folder is. */
export async function renameDurably(from: string, to: string): Promise<void> {
  await rename(from, to);
  await synced(dirname(to), 'r');
}

export async function synced(path: string, flags: string, write?: (handle: FileHandle) => Promise<void>): Promise<void> {
  const handle = await open(path, flags);
  try {
    await write?.(handle);
    await handle.sync();
  } finally {
    await handle.close();
  }
}
