import { z } from 'zod';
import { Base64Url, Digest } from './ids.js';

/**
 * One-time claim token: `fl1.` + base64url of `{server, ca, secret}`. `ca` is the sha256 of the fleet CA's certificate (DER):
 * it pins the first contact, so that a device hands its secret to no other server.
 */
export const ClaimToken = z
  .object({ server: z.url({ protocol: /^https$/ }), ca: Digest, secret: Base64Url.min(22).max(128) })
  .meta({ id: 'ClaimToken' });
export type ClaimToken = z.infer<typeof ClaimToken>;

const prefix = 'fl1.';

export const encodeClaimToken = (token: ClaimToken): string => prefix + Buffer.from(JSON.stringify(token)).toString('base64url');

/** Throws an Error that says what is wrong, never showing the secret. */
export function decodeClaimToken(text: string): ClaimToken {
  const trimmed = text.trim();
  if (!trimmed.startsWith(prefix)) throw new Error(`not a claim token: it must begin with "${prefix}"`);
  let content: unknown;
  try {
    content = JSON.parse(Buffer.from(trimmed.slice(prefix.length), 'base64url').toString('utf8'));
  } catch {
    throw new Error('not a claim token: it was cut or altered; copy it again from `flotilla tokens create`');
  }
  const token = ClaimToken.safeParse(content);
  if (!token.success)
    throw new Error(`not a claim token: ${token.error.issues.map((i) => `${i.path.join('.')}: ${i.message}`).join('; ')}`);
  return token.data;
}
