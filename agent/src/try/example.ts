import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describeIssues, Digest, ReleasePath, SourceConfig } from '@flotilla/protocol/device';
import { parse } from 'yaml';
import { z } from 'zod';
import { messageOf } from '../errors.js';
import { pipelineFrom } from '../source-paths.js';
import { StartError } from '../supervisor/start-error.js';

const shipped = fileURLToPath(new URL('../../examples/', import.meta.url));

/** `package`: where it isn't in the folder, the npm package that it lies in, and under which path. */
const ExampleFile = z.strictObject({
  path: ReleasePath,
  sha256: Digest,
  package: z.string().min(1).optional(),
  version: z.string().min(1).optional(),
  from: z.string().min(1).optional(),
});
export type ExampleFile = z.infer<typeof ExampleFile>;

/** `example.yaml`: a release with an input to try it on. Every file of a shipped one stands in it. */
export const Example = z.strictObject({
  apiVersion: z.literal('flotilla/v1'),
  kind: z.literal('Example'),
  summary: z.string().min(1),
  /** As a slot has it; paths begin at the example's folder. */
  source: SourceConfig,
  files: z.array(ExampleFile).default([]),
});
export type Example = z.infer<typeof Example>;
export type FoundExample = { name: string; folder: string; example: Example };

export async function exampleNames(): Promise<string[]> {
  const entries = await readdir(shipped, { withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isDirectory() && existsSync(join(shipped, entry.name, 'example.yaml')))
    .map(({ name }) => name)
    .toSorted();
}

/** A shipped one by its name, or a folder of one's own. Throws StartError. */
export async function findExample(name: string): Promise<FoundExample> {
  const folder = await folderOf(name);
  const example = await readExample(join(folder, 'example.yaml'));
  const { source } = pipelineFrom(folder, { source: example.source });
  return { name: basename(folder), folder, example: { ...example, source: source! } };
}

async function folderOf(name: string): Promise<string> {
  const names = await exampleNames();
  if (names.includes(name)) return join(shipped, name);
  const own = resolve(name);
  if (existsSync(join(own, 'example.yaml'))) return own;
  const known = names.length > 0 ? `there are: ${names.join(', ')}` : `none came with this agent`;
  throw new StartError('config', `There is no example "${name}": ${known}; or name a folder with an example.yaml.`);
}

async function readExample(file: string): Promise<Example> {
  const parsed = Example.safeParse(await readYaml(file));
  if (parsed.success) return parsed.data;
  throw new StartError('config', describeIssues(file, Example, parsed.error));
}

/** Throws StartError. */
export async function readYaml(file: string): Promise<unknown> {
  try {
    return parse(await readFile(file, 'utf8'));
  } catch (cause) {
    throw new StartError('config', `${file} cannot be read: ${messageOf(cause).split('\n')[0]}.`, { cause });
  }
}
