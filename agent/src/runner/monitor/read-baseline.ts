import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Baseline, baselineProblem, describeIssues, type Manifest } from '@flotilla/protocol/device';
import { messageOf } from '../../errors.js';

/** Throws an Error that says what is wrong with the file that the manifest names. */
export async function readBaseline(manifest: Manifest, folder: string): Promise<Baseline> {
  const file = manifest.baseline!;
  const parsed = Baseline.safeParse(jsonOf(file, await readFile(join(folder, file), 'utf8')));
  if (!parsed.success) throw new Error(describeIssues(file, Baseline, parsed.error));
  const problem = baselineProblem(manifest, parsed.data);
  if (problem !== undefined) throw new Error(`${file}: ${problem}`);
  return parsed.data;
}

function jsonOf(file: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new Error(`${file}: it is no JSON: ${messageOf(cause)}`, { cause });
  }
}
