import { appendFile, mkdir, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { messageOf } from './fault.js';
import type { Logger } from './log.js';
import type { Prediction } from './inferences.js';

export type PredictionFile = { file: string; maxBytes: number; keep: number };

/** Lines that wait for the disk; beyond this they are dropped, inference goes on. */
const maxPendingBytes = 4 * 1024 * 1024;

/** Predictions as JSON lines; `file.1` is the newest old file, `file.{keep}` the oldest. */
export class PredictionLog {
  #pending: string[] = [];
  #pendingBytes = 0;
  #writing: Promise<void> | undefined;
  #failing = false;
  #lost = 0;

  constructor(
    private readonly options: PredictionFile,
    private readonly log: Logger,
  ) {}

  /** Lines that could not be written. */
  get lost(): number {
    return this.#lost;
  }

  append(prediction: Prediction): void {
    const line = `${JSON.stringify(prediction)}\n`;
    if (this.#pendingBytes + line.length > maxPendingBytes) {
      this.#lost += 1;
      return;
    }
    this.#pending.push(line);
    this.#pendingBytes += line.length;
    void this.flush();
  }

  /** Resolves when all that was appended is written or lost. */
  flush(): Promise<void> {
    this.#writing ??= this.#drain().finally(() => {
      this.#writing = undefined;
    });
    return this.#writing;
  }

  async #drain(): Promise<void> {
    while (this.#pending.length > 0) {
      const lines = this.#pending;
      this.#pending = [];
      this.#pendingBytes = 0;
      await this.#write(lines);
    }
  }

  async #write(lines: readonly string[]): Promise<void> {
    try {
      const text = lines.join('');
      await this.#makeRoom(text.length);
      // By path each time: the other runner of a swap may have rotated the file meanwhile.
      await appendFile(this.options.file, text);
      if (this.#failing) this.log.info({ file: this.options.file, lost: this.#lost }, 'predictions are written again');
      this.#failing = false;
    } catch (error) {
      this.#lost += lines.length;
      if (!this.#failing)
        this.log.error(
          { file: this.options.file, reason: messageOf(error) },
          'predictions are lost: the file can not be written',
        );
      this.#failing = true;
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
