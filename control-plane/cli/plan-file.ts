import { readFile } from 'node:fs/promises';
import { describeIssues, type RolloutPlan, RolloutPlanFile } from '@flotilla/protocol';
import { parse } from 'yaml';

export class PlanFileError extends Error {
  override readonly name = 'PlanFileError';
}

/** A plan in YAML or JSON, with what its preset fills in. */
export async function readPlan(file: string): Promise<RolloutPlan> {
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new PlanFileError(`${file}: cannot be read (${(cause as NodeJS.ErrnoException).code})`, { cause });
  });
  const result = RolloutPlanFile.safeParse(parseYaml(file, text));
  if (!result.success) throw new PlanFileError(describeIssues(file, RolloutPlanFile, result.error));
  return result.data;
}

function parseYaml(file: string, text: string): unknown {
  try {
    return parse(text);
  } catch (cause) {
    throw new PlanFileError(`${file}: not YAML: ${(cause as Error).message.split('\n')[0]}`, { cause });
  }
}
