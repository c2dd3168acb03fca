import { appendFile, mkdir, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { messageOf } from '../../errors.js';
import type { Logger } from '../../log.js';

type LinesFile = {
  file: string;
  maxBytes: number;
  keep: number;
  /** What the log calls them. */
  what: string;
  /** On the disk before `append` resolves, not only with the system. */
  durable?: boolean;
};
type Line = { text: string; written: (ok: boolean) => void };

/** Lines that wait for the disk; beyond this they are dropped, inference goes on. */
const maxPendingBytes = 4 * 1024 * 1024;

/** JSON lines in a file that is rotated; `file.1` is the newest old file, `file.{keep}` the oldest. */
export class JsonLines {
  #pending: Line[] = [];
  #pendingBytes = 0;
  #writing: Promise<void> | undefined;
  #failing = false;
  #lost = 0;

  constructor(
    private readonly options: LinesFile,
    private readonly log: Logger,
  ) {}

  /** Lines that could not be written. */
  get lost(): number {
    return this.#lost;
  }

  /** Resolves with whether it could be written; nobody has to wait for that. */
  append(record: object): Promise<boolean> {
    const text = `${JSON.stringify(record)}\n`;
    if (this.#pendingBytes + text.length > maxPendingBytes) {
      this.#lost += 1;
      return Promise.resolve(false);
    }
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.#pending.push({ text, written: resolve });
    this.#pendingBytes += text.length;
    void this.flush();
    return promise;
  }

  /** Resolves when all that was appended is written or lost. */
  flush(): Promise<void> {
    if (this.#pending.length > 0) this.#writing ??= this.#drain();
    return this.#writing ?? Promise.resolve();
  }

  async #drain(): Promise<void> {
    while (this.#pending.length > 0) {
      const lines = this.#pending;
      this.#pending = [];
      this.#pendingBytes = 0;
      const ok = await this.#write(lines.map(({ text }) => text));
      for (const { written } of lines) written(ok);
    }
    // In the same step as the last look at what waits: who appends on hearing of its line would find nobody at work otherwise.
    this.#writing = undefined;
  }

  async #write(lines: readonly string[]): Promise<boolean> {
    const { file, what, durable = false } = this.options;
    try {
      const text = lines.join('');
      await this.#makeRoom(text.length);
      // By path each time: the other runner of a swap may have rotated the file meanwhile.
      await appendFile(file, text, { flush: durable });
      if (this.#failing) this.log.info({ file, lost: this.#lost }, `${what} are written again`);
      this.#failing = false;
      return true;
    } catch (error) {
      this.#lost += lines.length;
      if (!this.#failing) this.log.error({ file, reason: messageOf(error) }, `${what} are lost: the file can not be written`);
      this.#failing = true;
      return false;
    }
  }

  async #makeRoom(bytes: number): Promise<void> {
    const { file, maxBytes, keep } = this.options;
    const size = await sizeOf(file);
    if (size === undefined) await mkdir(dirname(file), { recursive: true });
    if (!size || size + bytes <= maxBytes) return;
    for (let i = keep; i > 1; i--) await renameIfThere(`${file}.${i - 1}`, `${file}.${i}`);
    if (keep > 0) await renameIfThere(file, `${file}.1`);
    else await rm(file, { force: true });
  }
}

const missing = (error: unknown) => (error as NodeJS.ErrnoException).code === 'ENOENT';

async function sizeOf(file: string): Promise<number | undefined> {
  try {
    return (await stat(file)).size;
  } catch (error) {
    if (missing(error)) return undefined;
    throw error;
  }
}

async function renameIfThere(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if (!missing(error)) throw error;
  }
}
