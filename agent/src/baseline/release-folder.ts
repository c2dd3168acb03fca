import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  describeIssues,
  labelFiles,
  Manifest,
  type ManifestFile,
  postprocessOf,
  ReleaseFile,
  sha256,
  variantFiles,
  variantName,
} from '@flotilla/protocol/device';
import { messageOf } from '../errors.js';
import { StartError } from '../supervisor/start-error.js';
import { readYaml } from '../try/example.js';

export type ReleaseFolder = {
  /** Without its baseline, which is to be made. */
  manifest: Manifest;
  variant: string;
  /** What release.yaml names as its baseline; undefined where it names none yet. */
  baseline: string | undefined;
};

/** Throws StartError. Without a name, the first variant. */
export async function readReleaseFolder(folder: string, wanted: string | undefined): Promise<ReleaseFolder> {
  const file = join(folder, 'release.yaml');
  const release = ReleaseFile.safeParse(await readYaml(file));
  if (!release.success) throw new StartError('config', describeIssues(file, ReleaseFile, release.error));
  const { apiVersion: _, kind: __, baseline, golden: ___, ...described } = release.data;
  const names = described.variants.map(variantName);
  if (wanted !== undefined && !names.includes(wanted))
    throw new StartError('config', `--variant ${wanted} is none of this release: it has ${names.join(', ')}.`);
  const paths = new Set([...described.variants.flatMap(variantFiles), ...labelFiles(postprocessOf(described))]);
  const files = await Promise.all([...paths].map((path) => describeFile(folder, path)));
  const manifest = Manifest.safeParse({ v: 1, ...described, files });
  if (!manifest.success) throw new StartError('config', describeIssues(file, Manifest, manifest.error));
  return { manifest: manifest.data, variant: wanted ?? names[0]!, baseline };
}

async function describeFile(folder: string, path: string): Promise<ManifestFile> {
  try {
    const bytes = await readFile(join(folder, path));
    return { path, sha256: sha256(bytes), size: bytes.length };
  } catch (cause) {
    throw new StartError('config', `${join(folder, path)} cannot be read: ${messageOf(cause)}.`, { cause });
  }
}
