import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The operator's key to the API: in the data folder, readable by its owner only, made at the first start. */
export class AdminToken {
  static async open(dataDir: string): Promise<AdminToken> {
    const path = join(dataDir, 'admin-token');
    try {
      await writeFile(path, `${randomBytes(32).toString('base64url')}\n`, { mode: 0o600, flag: 'wx', flush: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const token = (await readFile(path, 'utf8')).trim();
    if (token.length < 16) throw new Error(`${path} holds no token of 16 characters or more: delete it, and a new one is made`);
    return new AdminToken(token);
  }

  readonly #hash: Buffer;

  constructor(token: string) {
    this.#hash = hashOf(token);
  }

  /** Takes equally long whatever was given. */
  is(given: string): boolean {
    return timingSafeEqual(hashOf(given), this.#hash);
  }
}

const hashOf = (text: string) => createHash('sha256').update(text).digest();
