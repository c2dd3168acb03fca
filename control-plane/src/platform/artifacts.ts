import { createHash, randomUUID } from 'node:crypto';
import { mkdir, open, readdir, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { Digest, sha256 } from '@flotilla/protocol';
import { nullWhenMissing, syncFolder } from './durable-file.js';
import { AppError } from './errors.js';

/** Both ends inclusive, as in HTTP's Range. */
export interface ByteRange {
  start: number;
  end: number;
}

/** Model files and manifests under their sha256. What is found here under a digest has been seen to have it. */
export class Artifacts {
  readonly #incoming: string;
  #prepared: Promise<void> | undefined;

  constructor(readonly dir: string) {
    this.#incoming = join(dir, 'incoming');
  }

  async has(digest: Digest): Promise<{ size: number } | null> {
    const found = await stat(this.#pathOf(digest)).catch(nullWhenMissing);
    return found && { size: found.size };
  }

  /** `created` is false when the content was here before. Nothing is visible under the digest until all of it is on disk. */
  async put(digest: Digest, content: Readable, maxBytes: number): Promise<{ size: number; created: boolean }> {
    await this.#prepare();
    const temporary = join(this.#incoming, randomUUID());
    try {
      const size = await receive(temporary, digest, content, maxBytes);
      const created = (await this.has(digest)) === null;
      if (created) await this.#publish(temporary, digest);
      return { size, created };
    } catch (error) {
      throw explain(error, digest);
    } finally {
      content.destroy();
      await rm(temporary, { force: true });
    }
  }

  async putBytes(bytes: Uint8Array): Promise<Digest> {
    const digest = sha256(bytes);
    await this.put(digest, Readable.from([bytes]), bytes.length);
    return digest;
  }

  /** `size` is the whole artifact's, whatever the range. */
  async open(digest: Digest, range?: ByteRange): Promise<{ stream: Readable; size: number }> {
    const file = await open(this.#pathOf(digest)).catch(nullWhenMissing);
    if (!file) throw new AppError('ARTIFACT_NOT_FOUND', `no artifact ${digest}`);
    const { size } = await file.stat();
    return { stream: file.createReadStream({ ...range }), size };
  }

  /** Every digest held: for backups. */
  async list(): Promise<Digest[]> {
    const shelves = await readdir(this.dir).catch(nullWhenMissing);
    const files = await Promise.all(
      (shelves ?? []).filter((name) => name.length === 2).map((name) => readdir(join(this.dir, name))),
    );
    return files.flat().flatMap((name) => Digest.safeParse(name).data ?? []);
  }

  #pathOf(digest: Digest): string {
    return join(this.dir, digest.slice(0, 2), digest);
  }

  /** Uploads that a crash cut off are of no use to anyone: the data folder's lock says that nobody else writes here. */
  #prepare(): Promise<void> {
    this.#prepared ??= rm(this.#incoming, { recursive: true, force: true }).then(async () => {
      await mkdir(this.#incoming, { recursive: true, mode: 0o700 });
    });
    return this.#prepared;
  }

  async #publish(temporary: string, digest: Digest): Promise<void> {
    const target = this.#pathOf(digest);
    await mkdir(dirname(target), { recursive: true, mode: 0o700 });
    await rename(temporary, target);
    for (const dir of [dirname(target), this.dir]) await syncFolder(dir);
  }
}

/** Writes what arrives while hashing it; resolves when it is on disk and has the digest. */
async function receive(path: string, digest: Digest, content: Readable, maxBytes: number): Promise<number> {
  const file = await open(path, 'wx', 0o600);
  try {
    const { size, found } = await copyHashed(content, file, maxBytes);
    if (found !== digest) throw new AppError('DIGEST_MISMATCH', `the ${size} bytes received have sha256 ${found}, not ${digest}`);
    await file.sync();
    return size;
  } finally {
    await file.close();
  }
}

async function copyHashed(content: Readable, file: FileHandle, maxBytes: number): Promise<{ size: number; found: string }> {
  const hash = createHash('sha256');
  let size = 0;
  for await (const chunk of content as AsyncIterable<Uint8Array>) {
    size += chunk.length;
    if (size > maxBytes) throw new AppError('ARTIFACT_TOO_LARGE', `larger than the ${maxBytes} bytes that are allowed`);
    hash.update(chunk);
    // Goes on after a short write, which on a full disk comes before the error.
    await file.writeFile(chunk);
  }
  return { size, found: hash.digest('hex') };
}

function explain(error: unknown, digest: Digest): unknown {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new AppError('STORAGE_FULL', `no space left to store artifact ${digest}`, { cause: error });
  }
  if (code === 'ECONNRESET' || code === 'ERR_STREAM_PREMATURE_CLOSE' || code === 'ABORT_ERR') {
    return new AppError('INVALID_REQUEST', `the upload of artifact ${digest} ended before its content did`, { cause: error });
  }
  return error;
}
