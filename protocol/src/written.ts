import { z } from 'zod';

type Issue = z.core.$ZodIssue;

/**
 * One line for each thing wrong in a file that people wrote: where, what, and for an unknown key the nearest known one.
 * `source` is the file's name; `schema` is asked for the keys that it knows.
 */
export function describeIssues(source: string, schema: z.ZodType, error: z.ZodError): string {
  return issueLines(schema, error)
    .map((line) => `${source}: ${line}`)
    .join('\n');
}

/** The same, without a name in front. */
export function issueLines(schema: z.ZodType, error: { readonly issues: readonly Issue[] }): string[] {
  const known = knownKeys(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }));
  return error.issues.flatMap((issue) => describe(issue, known));
}

function describe(issue: Issue, known: ReadonlySet<string>): string[] {
  const at = issue.path.length > 0 ? `${issue.path.map(String).join('.')}: ` : '';
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => `${at}unknown key "${key}"${hint(key, known)}`);
  if (issue.code === 'invalid_union') return describeUnion(issue, known, at);
  return [`${at}${issue.message}`];
}

/** Of a union's branches, the one that came nearest speaks. */
function describeUnion(issue: Extract<Issue, { code: 'invalid_union' }>, known: ReadonlySet<string>, at: string): string[] {
  const [nearest] = issue.errors.toSorted((a, b) => weight(a) - weight(b));
  if (!nearest || nearest.length === 0) return [`${at}${issue.message}`];
  return nearest.flatMap((inner) => describe({ ...inner, path: [...issue.path, ...inner.path] } as Issue, known));
}

const weight = (issues: readonly Issue[]) =>
  issues.reduce((sum, issue) => sum + (issue.code === 'unrecognized_keys' ? issue.keys.length : 1) / (1 + issue.path.length), 0);

/** One that is known elsewhere in the file is no slip of the pen. */
function hint(key: string, known: ReadonlySet<string>): string {
  if (known.has(key)) return ' here; it belongs to another part';
  const longer = key.length >= 4 ? [...known].find((k) => k.startsWith(key)) : undefined;
  if (longer !== undefined) return `; did you mean "${longer}"?`;
  const [nearest] = [...known].map((k) => ({ k, d: distance(key, k) })).toSorted((a, b) => a.d - b.d);
  return nearest && nearest.d <= Math.max(2, key.length / 3) ? `; did you mean "${nearest.k}"?` : '';
}

function knownKeys(schema: unknown, into = new Set<string>()): ReadonlySet<string> {
  if (Array.isArray(schema)) for (const item of schema) knownKeys(item, into);
  else if (schema !== null && typeof schema === 'object') {
    for (const [key, value] of Object.entries(schema)) {
      if (key === 'properties' && value !== null && typeof value === 'object') Object.keys(value).forEach((k) => into.add(k));
      knownKeys(value, into);
    }
  }
  return into;
}

/** Levenshtein distance, two rows. */
function distance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      row.push(Math.min(previous[j]! + 1, row[j - 1]! + 1, previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    }
    previous = row;
  }
  return previous[b.length]!;
}
