import { readFileSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import { join } from 'node:path';
import { factFiles, parseFacts, type FactFile, type Facts, type Runtime } from './facts.js';

/**
 * Reads the facts of the running machine, or those below another root (a fixture, a mounted image) with a runtime to match.
 * Never throws for a file: one that is missing is fine, one that cannot be read becomes a note.
 */
export function readFacts(root = '/', runtime: Runtime = thisRuntime()): Facts {
  const files: Partial<Record<FactFile, string>> = {};
  const unreadable: string[] = [];
  for (const file of factFiles) {
    try {
      files[file] = readFileSync(join(root, file), 'utf8');
    } catch (error) {
      if (!isMissing(error)) unreadable.push(`${file} cannot be read (${errorCode(error) ?? String(error)})`);
    }
  }
  const facts = parseFacts(files, runtime);
  return { ...facts, notes: [...facts.notes, ...unreadable] };
}

function thisRuntime(): Runtime {
  return { arch: process.arch, platform: process.platform, cpus: availableParallelism(), totalMemoryBytes: usableMemory() };
}

/** A cgroup's limit where there is one; without, Node reports 0 or a number beyond the machine's memory. */
function usableMemory(): number {
  const constrained = process.constrainedMemory();
  return constrained > 0 ? Math.min(constrained, totalmem()) : totalmem();
}

const isMissing = (error: unknown) => ['ENOENT', 'ENOTDIR'].includes(errorCode(error) ?? '');

function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined;
}
