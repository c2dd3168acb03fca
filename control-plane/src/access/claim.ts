import type { ClaimTokenRow } from './claim-token.entity.js';

const repeatWithinMs = 24 * 3_600_000;
const newOne = 'create a new one with `flotilla tokens create`';

type Claim = { refused: string } | { repeats: string | null };

/**
 * May this key enrol with this token, and if it did before, as which device? A repeat is how a device goes on whose
 * connection broke before it had its certificate.
 */
export function judgeClaim(token: ClaimTokenRow | null, keyThumbprint: string, now: Date): Claim {
  if (!token) return { refused: `this control plane did not make that claim token: ${newOne}` };
  if (token.usedAt !== null) {
    const repeats = token.keyThumbprint === keyThumbprint && now.getTime() - token.usedAt.getTime() <= repeatWithinMs;
    return repeats
      ? { repeats: token.device }
      : { refused: `the claim token has been used, and each is good for one device: ${newOne}` };
  }
  return token.expiresAt <= now ? { refused: `the claim token has expired: ${newOne}` } : { repeats: null };
}
