import type { z } from 'zod';
import { RequestError } from './http.js';

/** A body of JSON as the schema has it, or a refusal that names the field. */
export function parseJson<T extends z.ZodType>(bytes: Buffer, schema: T): z.output<T> {
  let json: unknown;
  try {
    json = JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    throw new RequestError(400, `the body is no JSON: ${(error as Error).message}`);
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  throw new RequestError(400, complaints(parsed.error));
}

/** What zod found wrong, each with its place. */
export const complaints = (error: z.ZodError, place: readonly string[] = []) =>
  error.issues.map(({ path, message }) => `${[...place, ...path].join('.') || 'the body'}: ${message}`).join('; ');
