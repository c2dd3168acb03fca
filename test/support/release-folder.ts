import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { stringify } from 'yaml';
import { aRelease } from './releases.js';

/** A release folder as people write it, below `parent`; changes go into release.yaml, or into the files (`null`: no such file). */
export async function aReleaseFolder(
  parent: string,
  change: Record<string, unknown> = {},
  contents: Record<string, string | null> = {},
): Promise<string> {
  const folder = await mkdtemp(join(parent, 'release-'));
  const { manifest, files } = aRelease('5.0.0');
  const { v: _, files: __, ...described } = manifest;
  const written = stringify({ apiVersion: 'flotilla/v1', kind: 'Release', ...described, ...change });
  for (const [path, content] of Object.entries({ 'release.yaml': written, ...Object.fromEntries(files), ...contents })) {
    if (content === null) continue;
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), content);
  }
  return folder;
}
