import type { Stats } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno, messageOf } from '../../errors.js';
import { SourceTrouble } from './persistent.js';

/** The version changes when the file does. */
export type SourceFile = { name: string; path: string; version: string; size: number };

/** What a release can be asked with: a picture, features, a signal. */
const names = /^[^.].*\.(jpe?g|png|webp|json|wav)$/i;
/** A file that was touched since is still being written, maybe. */
const settleMs = 500;

/** What lies in a folder, what of it is whole, and what of it is new. */
export class FolderWatch {
  /** name → version that needs no second look. */
  readonly #settled = new Map<string, string>();
  /** name → version that was seen first at that time. */
  readonly #seen = new Map<string, { version: string; at: number }>();
  /** Since the folder is there. */
  hadFiles = false;

  constructor(private readonly directory: string) {}

  settle({ name, version }: SourceFile): void {
    this.#settled.set(name, version);
  }

  /** Whole files in the order of their names; without `all`, only those that are new or have changed. Throws SourceTrouble. */
  async look(all: boolean): Promise<{ files: SourceFile[]; isEmpty: boolean }> {
    const found = await this.#list();
    this.#forgetAllBut(new Set(found.map(({ name }) => name)));
    this.hadFiles ||= found.length > 0;
    const whole = found.filter((file) => this.#isWhole(file));
    const files = all ? whole : whole.filter(({ name, version }) => this.#settled.get(name) !== version);
    return { files, isEmpty: found.length === 0 };
  }

  /** Unchanged for a while, by the file's own time or, where that lies (other clocks, the future), by ours. */
  #isWhole({ name, version, changedMs }: FoundFile): boolean {
    const age = Date.now() - changedMs;
    const seen = this.#seen.get(name);
    if (seen?.version !== version) this.#seen.set(name, { version, at: performance.now() });
    return age >= settleMs || (seen?.version === version && performance.now() - seen.at >= settleMs);
  }

  #forgetAllBut(present: ReadonlySet<string>): void {
    for (const known of [this.#settled, this.#seen]) for (const name of known.keys()) if (!present.has(name)) known.delete(name);
  }

  async #list(): Promise<FoundFile[]> {
    try {
      const listed = (await readdir(this.directory)).filter((name) => names.test(name)).toSorted();
      const found: FoundFile[] = [];
      for (const name of listed) {
        const file = await describe(name, join(this.directory, name));
        if (file) found.push(file);
      }
      return found;
    } catch (error) {
      this.hadFiles = false;
      const state = isErrno(error, 'ENOENT', 'ENXIO', 'EIO', 'ESTALE', 'ENOTCONN', 'EHOSTDOWN') ? 'waiting' : 'failed';
      throw new SourceTrouble(state, `the folder can not be read: ${messageOf(error)}`);
    }
  }
}

type FoundFile = SourceFile & { changedMs: number };

/** Undefined for what went away since the folder was read, and for what is no file. */
async function describe(name: string, path: string): Promise<FoundFile | undefined> {
  try {
    const stats = await stat(path);
    if (!stats.isFile()) return undefined;
    return { name, path, size: stats.size, version: versionOf(stats), changedMs: stats.mtimeMs };
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

const versionOf = ({ mtimeMs, size }: Stats) => `${mtimeMs}:${size}`;

/** Whether the file that was seen is still in its place. */
export async function isUnchanged({ path, version }: SourceFile): Promise<boolean> {
  const stats = await stat(path).catch(() => undefined);
  return stats !== undefined && versionOf(stats) === version;
}
