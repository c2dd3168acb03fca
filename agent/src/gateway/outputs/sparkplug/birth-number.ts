import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isErrno, messageOf } from '../../../errors.js';

/** Births are counted over restarts, so that the word of a connection's end is never taken for a later one's. */
export class BirthNumber {
  constructor(private readonly folder: string) {}

  /** One more than the last, 0 after 255. It is kept before it is used. */
  next(): number {
    const path = join(this.folder, 'birth-number');
    try {
      const number = (this.#last(path) + 1) % 256;
      mkdirSync(this.folder, { recursive: true, mode: 0o700 });
      writeFileSync(`${path}.new`, String(number), { mode: 0o600 });
      renameSync(`${path}.new`, path);
      return number;
    } catch (error) {
      throw new Error(`the number of the next birth can not be kept: ${messageOf(error)}`, { cause: error });
    }
  }

  #last(path: string): number {
    try {
      const number = Number(readFileSync(path, 'utf8'));
      return Number.isInteger(number) && number >= 0 ? number : -1;
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return -1;
      throw error;
    }
  }
}
