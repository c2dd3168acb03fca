import { createHash } from 'node:crypto';
import { chown, link, mkdir, open, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Digest, sha256 } from '@flotilla/protocol';
import type { ServerUser } from '../postgres/server-user.js';

interface CopiedFile {
  path: string;
  size: number;
  sha256: Digest;
}

/** Copies a file to disk (flushed, for its owner alone) and says what was copied. */
export async function copyFile(from: string, to: string, owner: ServerUser | null = null): Promise<Omit<CopiedFile, 'path'>> {
  await using source = await open(from);
  await using target = await open(to, 'wx', 0o600);
  const hash = createHash('sha256');
  let size = 0;
  for await (const chunk of source.createReadStream({ autoClose: false }) as AsyncIterable<Buffer>) {
    hash.update(chunk);
    size += chunk.length;
    // Goes on after a short write, which on a full disk comes before the error.
    await target.writeFile(chunk);
  }
  if (owner) await chown(to, owner.uid, owner.gid);
  await target.sync();
  return { size, sha256: Digest.parse(hash.digest('hex')) };
}

/** What of a folder goes into a backup, collected under the names that it has there. */
export class CopiedTree {
  readonly folders: string[] = [];
  readonly files: CopiedFile[] = [];

  constructor(private readonly root: string) {}

  async folder(path: string): Promise<void> {
    await mkdir(join(this.root, path), { recursive: true, mode: 0o700 });
    this.folders.push(path);
  }

  /** A file that vanishes meanwhile was not needed. */
  async file(from: string, path: string): Promise<void> {
    try {
      this.files.push({ path, ...(await copyFile(from, join(this.root, path))) });
    } catch (error) {
      const { code, path: missing } = error as NodeJS.ErrnoException;
      if (code !== 'ENOENT' || missing !== from) throw error;
    }
  }

  async text(path: string, content: string): Promise<void> {
    await writeFile(join(this.root, path), content, { mode: 0o600, flush: true });
    this.files.push({ path, size: Buffer.byteLength(content), sha256: sha256(content) });
  }

  /** For content that is never written again: no second copy of it, where the file system can do that. */
  async immutable(from: string, path: string, content: { size: number; sha256: Digest }): Promise<void> {
    try {
      await link(from, join(this.root, path));
      this.files.push({ path, ...content });
    } catch {
      await this.file(from, path);
    }
  }

  async tree(from: string, path: string, skip: (path: string) => boolean = () => false): Promise<void> {
    await this.folder(path);
    const entries = (await readdir(from, { withFileTypes: true })).filter(({ name }) => !skip(`${path}/${name}`));
    const files = entries.filter((entry) => entry.isFile());
    await eachOf(files, ({ name }) => this.file(join(from, name), `${path}/${name}`));
    for (const { name } of entries.filter((entry) => entry.isDirectory())) {
      await this.tree(join(from, name), `${path}/${name}`, skip);
    }
  }
}

/** Several at once: a file system writes many small files out together. */
export async function eachOf<Item>(items: readonly Item[], act: (item: Item) => Promise<void>): Promise<void> {
  const atOnce = 16;
  for (let i = 0; i < items.length; i += atOnce) await Promise.all(items.slice(i, i + atOnce).map(act));
}
