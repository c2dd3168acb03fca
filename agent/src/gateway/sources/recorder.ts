import { appendFile, mkdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RecordConfig } from '@flotilla/protocol/device';
import { isErrno, messageOf } from '../../errors.js';
import type { Captured, Sink } from '../source.js';
import { ppmHeader } from './ppm.js';
import { indexOf, numberOf, type RecordedFrame, recordedFrames } from './recording-index.js';

type Kept = { file: string; bytes: number; at: number };

/** What may wait for the disk; more would be memory, and a live source does not wait. */
const mostWaiting = 4;
/** However small they are: each costs a line of the index and a file. */
const mostFrames = 50_000;
/** The index is written anew when so many of its lines, and as many as are left, name frames that are gone. */
const leastStaleLines = 1000;

/** Keeps the latest of what a source gives in a folder, from which a `recording` source gives it again. It never holds the source up. */
export class Recorder {
  readonly #kept: Kept[] = [];
  #bytes = 0;
  #next = 1;
  #staleLines = 0;
  #waiting = 0;
  #tail: Promise<void> = Promise.resolve();
  #isOpen = false;
  #trouble = '';
  /** Frames that the disk had no time for. */
  dropped = 0;

  /** `onTrouble`: a sentence, once for each change; empty when all is well again. */
  constructor(
    private readonly config: RecordConfig,
    private readonly onTrouble: (reason: string) => void,
  ) {}

  record(captured: Captured): void {
    if (this.#waiting >= mostWaiting) {
      this.dropped += 1;
      return;
    }
    this.#waiting += 1;
    this.#tail = this.#tail.then(() => this.#tried(() => this.#keep(captured))).finally(() => (this.#waiting -= 1));
  }

  /** Resolves when all that was taken is on the disk. */
  async close(): Promise<void> {
    await this.#tail;
  }

  async #tried(step: () => Promise<void>): Promise<void> {
    try {
      await step();
      this.#say('');
    } catch (error) {
      this.#say(`the recording in ${this.config.folder} can not go on: ${withoutPath(error)}`);
    }
  }

  #say(trouble: string): void {
    if (trouble !== this.#trouble) this.onTrouble(trouble);
    this.#trouble = trouble;
  }

  /** Goes on where an earlier recording in the same folder ended. */
  async #open(): Promise<void> {
    const { folder } = this.config;
    this.#kept.length = this.#bytes = this.#staleLines = 0;
    await mkdir(folder, { recursive: true, mode: 0o750 });
    for await (const { file, capturedAt } of recordedFrames(folder)) {
      this.#next = Math.max(this.#next, numberOf({ file }) + 1);
      const bytes = await sizeOf(join(folder, file));
      if (bytes === undefined) this.#staleLines += 1;
      else this.#add({ file, bytes, at: Date.parse(capturedAt) });
    }
    // A power cut may have left half a line; what is appended must not become part of it.
    if (await sizeOf(indexOf(folder))) await appendFile(indexOf(folder), '\n');
    this.#isOpen = true;
  }

  async #keep({ payload, bytes, capturedAt, name, gap }: Captured): Promise<void> {
    const { folder } = this.config;
    // Until it could be read which numbers are taken, none is given.
    if (!this.#isOpen) await this.#open();
    const file = `${String(this.#next++).padStart(8, '0')}.${endingOf(payload, bytes)}`;
    const content = payload.kind === 'pixels' ? [ppmHeader(payload), bytes] : bytes;
    await writeFile(join(folder, file), content);
    const line: RecordedFrame = { file, capturedAt: new Date(capturedAt).toISOString(), payload, name, gap };
    await appendFile(indexOf(folder), `${JSON.stringify(line)}\n`);
    this.#add({ file, bytes: bytes.byteLength, at: capturedAt });
    await this.#trim(capturedAt);
  }

  #add(kept: Kept): void {
    this.#kept.push(kept);
    this.#bytes += kept.bytes;
  }

  async #trim(now: number): Promise<void> {
    const { folder, maxMb, maxHours } = this.config;
    const oldest = maxHours === undefined ? -Infinity : now - maxHours * 3_600_000;
    while (this.#kept.length > mostFrames || this.#bytes > maxMb * 1024 * 1024 || this.#kept[0]!.at < oldest) {
      const { file, bytes } = this.#kept[0]!;
      await rm(join(folder, file), { force: true });
      this.#kept.shift();
      this.#bytes -= bytes;
      this.#staleLines += 1;
      if (this.#kept.length === 0) break;
    }
    if (this.#staleLines > Math.max(leastStaleLines, this.#kept.length)) await this.#rewriteIndex();
  }

  async #rewriteIndex(): Promise<void> {
    const { folder } = this.config;
    const first = this.#kept[0] ? numberOf(this.#kept[0]) : this.#next;
    const lines: string[] = [];
    for await (const frame of recordedFrames(folder)) if (numberOf(frame) >= first) lines.push(`${JSON.stringify(frame)}\n`);
    await writeFile(`${indexOf(folder)}.new`, lines.join(''));
    await rename(`${indexOf(folder)}.new`, indexOf(folder));
    this.#staleLines = 0;
  }
}

/** A sink that records what goes through it. */
export function recording(sink: Sink, recorder: Recorder): Sink {
  return {
    offer: (captured) => {
      recorder.record(captured);
      sink.offer(captured);
    },
    submit: async (captured) => {
      const outcome = await sink.submit(captured);
      // What nothing took in time is submitted again.
      if (outcome !== 'busy') recorder.record(captured);
      return outcome;
    },
    lost: (loss) => sink.lost(loss),
    state: (state) => sink.state(state),
  };
}

function endingOf(payload: Captured['payload'], bytes: Uint8Array): string {
  switch (payload.kind) {
    case 'pixels':
      return payload.channels === 3 ? 'ppm' : 'pgm';
    case 'signal':
      return 'f32';
    case 'features':
      return 'json';
    case 'encoded':
      return bytes[0] === 0x89 ? 'png' : bytes[0] === 0x52 ? 'webp' : 'jpg';
  }
}

/** The same trouble with the next file is the same trouble. */
const withoutPath = (error: unknown) => messageOf(error).replace(/, \w+ '.*$/, '');

const sizeOf = (path: string): Promise<number | undefined> =>
  stat(path).then(
    ({ size }) => size,
    (error: unknown) => {
      if (isErrno(error, 'ENOENT')) return undefined;
      throw error;
    },
  );
