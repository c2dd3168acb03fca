import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';
import {
  describeIssues,
  Digest,
  labelFiles,
  Manifest,
  type ManifestFile,
  ReleaseFile,
  ReleasePath,
  type ReleaseView,
  postprocessOf,
  variantFiles,
} from '@flotilla/protocol';
import { parse } from 'yaml';
import type { FlotillaClient } from './flotilla-client.js';

export class ReleaseFolderError extends Error {
  override readonly name = 'ReleaseFolderError';
}

/** Reads a release folder into its manifest: release.yaml checked, every file that it names hashed. */
async function manifestOf(folder: string): Promise<Manifest> {
  const release = await readReleaseFile(folder);
  const { apiVersion: _, kind: __, ...described } = release;
  const files = await Promise.all((await filesOf(folder, release)).map((path) => describeFile(folder, path)));
  const manifest = Manifest.safeParse({ v: 1, ...described, files });
  if (!manifest.success) throw new ReleaseFolderError(describeIssues(folder, Manifest, manifest.error));
  return manifest.data;
}

/** Uploads what the control plane does not have yet, then the manifest. Doing it twice is harmless. */
export async function pushRelease(client: FlotillaClient, folder: string): Promise<ReleaseView> {
  const manifest = await manifestOf(folder);
  for (const { path, sha256, size } of manifest.files) {
    if (!(await client.hasArtifact(sha256))) await client.putArtifact(sha256, join(folder, path), size);
  }
  return client.releases.push(manifest);
}

async function readReleaseFile(folder: string): Promise<ReleaseFile> {
  const file = join(folder, 'release.yaml');
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new ReleaseFolderError(
      `${file}: cannot be read (${(cause as NodeJS.ErrnoException).code}); a release is a folder with a release.yaml`,
      { cause },
    );
  });
  const result = ReleaseFile.safeParse(parseYaml(file, text));
  if (!result.success) throw new ReleaseFolderError(describeIssues(file, ReleaseFile, result.error));
  return result.data;
}

function parseYaml(file: string, text: string): unknown {
  try {
    return parse(text);
  } catch (cause) {
    throw new ReleaseFolderError(`${file}: not YAML: ${(cause as Error).message.split('\n')[0]}`, { cause });
  }
}

/** Variants, label files, the baseline and everything in the golden folder: what release.yaml names, and nothing else. */
async function filesOf(folder: string, release: ReleaseFile): Promise<string[]> {
  const labels = labelFiles(postprocessOf(release));
  const named = [...release.variants.flatMap(variantFiles), ...labels, ...(release.baseline ? [release.baseline] : [])];
  const golden = release.golden ? await filesBelow(folder, release.golden.folder) : [];
  return [...new Set([...named, ...golden])].toSorted();
}

async function filesBelow(folder: string, below: string): Promise<string[]> {
  const entries = await readdir(join(folder, below), { recursive: true, withFileTypes: true }).catch((cause: unknown) => {
    throw new ReleaseFolderError(
      `release.yaml: golden.folder "${below}" cannot be read (${(cause as NodeJS.ErrnoException).code})`,
      { cause },
    );
  });
  const paths = entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/'));
  const odd = paths.find((path) => !ReleasePath.safeParse(path).success);
  if (odd !== undefined)
    throw new ReleaseFolderError(`${odd}: names of a release's files are letters, digits, "_", "." and "-"; rename it`);
  return paths;
}

async function describeFile(folder: string, path: string): Promise<ManifestFile> {
  const file = join(folder, path);
  try {
    const { size } = await stat(file);
    const hash = createHash('sha256');
    await pipeline(createReadStream(file), hash);
    return { path, sha256: Digest.parse(hash.digest('hex')), size };
  } catch (cause) {
    throw new ReleaseFolderError(`${file}: named by release.yaml but cannot be read (${(cause as NodeJS.ErrnoException).code})`, {
      cause,
    });
  }
}
