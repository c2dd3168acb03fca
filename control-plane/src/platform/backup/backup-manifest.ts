import { readFile, writeFile } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { Digest } from '@flotilla/protocol';
import { z } from 'zod';
import { nullWhenMissing } from '../durable-file.js';

/** A backup that can't be made or used, in a sentence for whoever asked for it. */
export class BackupError extends Error {
  override readonly name = 'BackupError';
}

export const backupFormat = 1;
const manifestFile = 'backup.json';

/** Below the backup's folder, and nowhere else. */
const InnerPath = z
  .string()
  .refine((path) => !isAbsolute(path) && !path.split('/').some((part) => ['', '.', '..'].includes(part)), {
    message: 'must be a path inside the backup',
  });

export const BackupManifest = z.object({
  format: z.int(),
  /** Of the data folder that was copied. */
  dataFormat: z.int(),
  createdAt: z.iso.datetime(),
  /** Major version: another one can't read these files. */
  postgres: z.string(),
  /** Empty ones count: PostgreSQL does not make them again. */
  folders: z.array(InnerPath),
  files: z.array(z.object({ path: InnerPath, size: z.int(), sha256: Digest })),
});
export type BackupManifest = z.infer<typeof BackupManifest>;

/** Written last: a folder without it is no backup. */
export const writeManifest = (dir: string, manifest: BackupManifest) =>
  writeFile(join(dir, manifestFile), `${JSON.stringify(manifest, null, 1)}\n`, { mode: 0o600, flush: true });

export async function readManifest(dir: string): Promise<BackupManifest> {
  const text = await readFile(join(dir, manifestFile), 'utf8').catch(nullWhenMissing);
  if (text === null) throw new BackupError(`${dir} is no backup of Flotilla: it has no ${manifestFile}`);
  const { data, error } = BackupManifest.safeParse(parseJson(text));
  if (!data) throw new BackupError(`${join(dir, manifestFile)} can't be read: ${z.prettifyError(error)}`);
  if (data.format <= backupFormat) return data;
  throw new BackupError(`the backup ${dir} has format ${data.format} of a newer Flotilla: restore it with that`);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
