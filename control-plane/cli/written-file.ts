import { readFile } from 'node:fs/promises';
import { describeIssues } from '@flotilla/protocol';
import { parse } from 'yaml';
import type { z } from 'zod';

/** A file that somebody wrote, and that cannot be used: a line for each thing wrong. */
export class WrittenFileError extends Error {
  override readonly name = 'WrittenFileError';
}

/** YAML or JSON, checked before it is sent anywhere. */
export async function readWritten<S extends z.ZodType>(file: string, schema: S): Promise<z.output<S>> {
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new WrittenFileError(`${file}: cannot be read (${(cause as NodeJS.ErrnoException).code})`, { cause });
  });
  const result = schema.safeParse(parseYaml(file, text));
  if (!result.success) throw new WrittenFileError(describeIssues(file, schema, result.error));
  return result.data;
}

function parseYaml(file: string, text: string): unknown {
  try {
    return parse(text);
  } catch (cause) {
    throw new WrittenFileError(`${file}: not YAML: ${(cause as Error).message.split('\n')[0]}`, { cause });
  }
}
