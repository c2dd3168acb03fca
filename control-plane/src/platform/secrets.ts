import { chmod, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { nullWhenMissing, writeDurably } from './durable-file.js';

export const secretsFolder = 'secrets';

/** Null when there is none of that name. */
export const readSecret = (dataDir: string, name: string): Promise<Buffer | null> =>
  readFile(join(dataDir, secretsFolder, name)).catch(nullWhenMissing);

export async function writeSecret(dataDir: string, name: string, bytes: string | Uint8Array): Promise<void> {
  const dir = join(dataDir, secretsFolder);
  await mkdir(dir, { recursive: true, mode: 0o700 });
  await chmod(dir, 0o700);
  await writeDurably(join(dir, name), bytes);
}
