import { readFile } from 'node:fs/promises';
import type { DirectorySource } from '@flotilla/protocol/device';
import { messageOf } from '../../errors.js';
import type { Outcome, Sink, Source } from '../source.js';
import { type Content, contentOf } from './content.js';
import { FolderWatch, type SourceFile } from './folder-watch.js';
import { putAway } from './put-away.js';
import { pause, PersistentSource, type Session, type SessionEnd, SourceTrouble, unlessStopped } from './persistent.js';

/** A folder that is away is looked for every second or so. */
const backoff = { baseMs: 1000, capMs: 2000 };
/** With no new file in it, a folder is looked at again after this, or after twenty times what a look takes. */
const leastScanMs = 250;
/** A larger file is no picture. */
const mostBytes = 256 * 1024 * 1024;

/** Files of one folder in the order of their names, one at a time, at a set rate. */
export const directorySource = (config: DirectorySource): Source => {
  const folder = new Folder(config);
  return new PersistentSource((session) => folder.follow(session), backoff);
};

class Folder {
  readonly #watch: FolderWatch;
  readonly #pauseMs: number;
  #round: SourceFile[] = [];

  constructor(private readonly config: DirectorySource) {
    this.#watch = new FolderWatch(config.directory);
    this.#pauseMs = 1000 / config.perSecond;
  }

  async follow({ sink, signal, came }: Session): Promise<SessionEnd> {
    let due = performance.now();
    while (!signal.aborted) {
      const file = this.#round.shift() ?? (await this.#next(sink, signal));
      if (!file) continue;
      came();
      // After a late one the rate goes on from there: nothing is made up for.
      due = Math.max(due + this.#pauseMs, performance.now());
      await this.#take(file, sink, signal);
      await pause(Math.max(0, due - performance.now()), signal);
    }
    return 'over';
  }

  /** The first file of the next round, once there is one. */
  async #next(sink: Sink, signal: AbortSignal): Promise<SourceFile | undefined> {
    const began = performance.now();
    const { files, isEmpty } = await this.#watch.look(this.config.then === 'repeat');
    this.#tell(sink, isEmpty);
    this.#round = files;
    if (files.length === 0) await pause(Math.max(leastScanMs, 20 * (performance.now() - began)), signal);
    return this.#round.shift();
  }

  /** Where files go away after they were inferred, an empty folder is how it should be. */
  #tell(sink: Sink, isEmpty: boolean): void {
    const { directory, then } = this.config;
    const isIntake = then === 'delete' || typeof then === 'object';
    if (!isEmpty || (isIntake && this.#watch.hadFiles)) sink.state({ state: 'running' });
    else sink.state({ state: 'waiting', reason: `${directory} holds no picture, .json or .wav yet` });
  }

  async #take(file: SourceFile, sink: Sink, signal: AbortSignal): Promise<void> {
    const content = await this.#read(file, sink);
    if (!content) return;
    const outcome = await unlessStopped(sink.submit({ ...content, capturedAt: Date.now(), name: file.name }), signal);
    if (outcome === 'busy') this.#round.unshift(file);
    else await this.#finish(file, outcome);
  }

  async #finish(file: SourceFile, outcome: Exclude<Outcome, 'busy'>): Promise<void> {
    const { then } = this.config;
    // What came before its command is another part's, and is passed over like one that was refused.
    if (outcome === 'inferred' && then !== 'repeat' && then !== 'keep') await this.#putAway(file);
    // A refused one is kept for its owner to look at.
    else this.#watch.settle(file);
  }

  async #putAway(file: SourceFile): Promise<void> {
    const { then } = this.config;
    try {
      await putAway(file, typeof then === 'object' ? then.move : undefined);
    } catch (error) {
      // It was inferred; a second time would be a lie.
      this.#watch.settle(file);
      throw new SourceTrouble('failed', `${file.path} was inferred and can not be put away: ${messageOf(error)}`);
    }
  }

  /** Undefined for what can't be read: it is not tried again before it changes. */
  async #read(file: SourceFile, sink: Sink): Promise<Content | undefined> {
    try {
      if (file.size > mostBytes) throw new Error(`it has ${file.size} bytes, more than ${mostBytes}`);
      return contentOf(await readFile(file.path));
    } catch (error) {
      this.#watch.settle(file);
      sink.lost({ reason: `${file.path} can not be read: ${messageOf(error)}`, name: file.name });
      return undefined;
    }
  }
}
