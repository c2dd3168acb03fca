import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import type { z } from 'zod';
import { Profile } from './profile.js';

/** A profile cannot be read, or none fits. The message says which file and path, and what to do. */
export class ProfileError extends Error {
  override readonly name = 'ProfileError';
  constructor(
    readonly code: 'PROFILE_INVALID' | 'PROFILE_MISSING',
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

// The same from src/ and from dist/.
const shipped = fileURLToPath(new URL('../profiles', import.meta.url));

/**
 * Reads every `*.yaml` of a folder, sorted by id; by default the profiles that ship with this package.
 * @throws {ProfileError} PROFILE_INVALID with every problem of every file; PROFILE_MISSING for a folder without profiles.
 */
export function loadProfiles(folder: string = shipped): Profile[] {
  const read = profileFiles(folder).map((file) => parseProfile(readFileSync(file, 'utf8'), file));
  const problems = read.flatMap((result) => result.problems ?? []);
  if (problems.length > 0) throw new ProfileError('PROFILE_INVALID', `${problems.join('\n')}\nSee firmware-profiles/README.md.`);
  return read.flatMap((result) => result.profile ?? []).toSorted((a, b) => (a.id < b.id ? -1 : 1));
}

function profileFiles(folder: string): string[] {
  const files = listFolder(folder).filter((file) => file.endsWith('.yaml'));
  if (files.length === 0)
    throw new ProfileError('PROFILE_MISSING', `${folder} holds no *.yaml: name a folder with one profile a file.`);
  return files.toSorted().map((file) => join(folder, file));
}

function listFolder(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (cause) {
    throw new ProfileError('PROFILE_MISSING', `${folder} cannot be read: name a folder with one profile a file.`, { cause });
  }
}

type Parsed = { profile: Profile; problems?: never } | { profile?: never; problems: string[] };

function parseProfile(text: string, file: string): Parsed {
  let raw: unknown;
  try {
    raw = parse(text);
  } catch (cause) {
    return { problems: [`${file}: not YAML: ${cause instanceof Error ? cause.message.split('\n')[0] : String(cause)}`] };
  }
  const result = Profile.safeParse(raw);
  if (!result.success) return { problems: inWords(result.error).map((problem) => `${file}: ${problem}`) };
  const expected = `${result.data.id}.yaml`;
  if (basename(file) !== expected) return { problems: [`${file}: id: rename the file to ${expected}, or correct the id`] };
  return { profile: result.data };
}

/** Unknown keys first: a misspelt key also counts as a missing one. */
function inWords({ issues }: z.ZodError): string[] {
  const rank = (issue: z.core.$ZodIssue) => (issue.code === 'unrecognized_keys' ? 0 : 1);
  return issues.toSorted((a, b) => rank(a) - rank(b)).map((issue) => `${where(issue.path)}: ${advice(issue.message)}`);
}

function advice(message: string): string {
  return message.replace(/^Invalid input: expected (.+), received undefined$/, 'is missing: add it ($1)');
}

/** `providers[1].name`; the whole file when the path is empty. */
function where(path: readonly PropertyKey[]): string {
  const text = path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`)).join('');
  return text.replace(/^\./, '') || 'top level';
}
