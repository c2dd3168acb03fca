import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';

const cipher = 'aes-256-gcm';
const ivBytes = 12;
const tagBytes = 16;

/**
 * Answers may hold tokens that are kept nowhere else. What opens one is made of the caller's token and their key, of which the
 * database knows neither: a stolen backup gives nothing away.
 */
export class AnswerSeal {
  readonly #key: Uint8Array;

  constructor(token: string, idempotencyKey: string) {
    this.#key = new Uint8Array(hkdfSync('sha256', token, idempotencyKey, 'flotilla stored answer', 32));
  }

  close(text: string): Buffer {
    const iv = randomBytes(ivBytes);
    const sealing = createCipheriv(cipher, this.#key, iv);
    const sealed = Buffer.concat([sealing.update(text, 'utf8'), sealing.final()]);
    return Buffer.concat([iv, sealing.getAuthTag(), sealed]);
  }

  open(sealed: Buffer): string {
    const opening = createDecipheriv(cipher, this.#key, sealed.subarray(0, ivBytes));
    opening.setAuthTag(sealed.subarray(ivBytes, ivBytes + tagBytes));
    return Buffer.concat([opening.update(sealed.subarray(ivBytes + tagBytes)), opening.final()]).toString('utf8');
  }
}
