import { createHash } from 'node:crypto';
import { Digest } from './ids.js';

/** JSON with sorted keys and no white space (RFC 8785 for the values used here): equal content has equal bytes. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map((item) => canonicalJson(item ?? null)).join(',')}]`;
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  const entries = Object.entries(value).filter(([, item]) => item !== undefined);
  entries.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${canonicalJson(item)}`).join(',')}}`;
}

export const sha256 = (bytes: string | Uint8Array): Digest => Digest.parse(createHash('sha256').update(bytes).digest('hex'));

/** The digest under which a manifest or a desired state is known. */
export const digestOf = (value: unknown): Digest => sha256(canonicalJson(value));
