import { readFile } from 'node:fs/promises';
import { messageOf } from '../errors.js';

/** A key, certificate or password that the configuration names by its file; what can't be read is named. */
export async function contentsOf(path: string | undefined): Promise<Buffer | undefined> {
  try {
    return path === undefined ? undefined : await readFile(path);
  } catch (error) {
    throw new Error(`${path} can not be read: ${messageOf(error)}`, { cause: error });
  }
}
