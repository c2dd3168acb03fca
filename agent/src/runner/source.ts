import { readFile, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Asked } from '@flotilla/protocol';
import type { SourceConfig } from '../runner-protocol.js';
import { messageOf } from './fault.js';
import type { Logger } from './log.js';

/** `refused`: this picture will never do; `busy`: it may do later. */
export type InferOutcome = 'inferred' | 'refused' | 'busy';
type Infer = (encoded: Uint8Array, name: string) => Promise<InferOutcome>;
/** The version changes when the file does. */
type Picture = { name: string; path: string; version: string };

/** What a release is asked with, by the names of its files. */
export const fileNames: Readonly<Record<Asked, RegExp>> = {
  picture: /\.(jpe?g|png|webp)$/i,
  features: /\.json$/i,
  signal: /\.wav$/i,
};
/** A folder with nothing new in it is looked at again after this, however high the rate. */
const rescanMs = 1000;

/** Pictures of one folder in the order of their names, at a set rate: one at a time; a tick that comes too early is dropped. */
export class DirectorySource {
  #timer: NodeJS.Timeout | undefined;
  #inFlight: Promise<void> | undefined;
  #round: Picture[] = [];
  #nextScan = -Infinity;
  /** name → version that needs no second look. */
  readonly #settled = new Map<string, string>();
  #complaint = '';

  constructor(
    private readonly config: SourceConfig,
    private readonly infer: Infer,
    private readonly log: Logger,
    private readonly names: RegExp = fileNames.picture,
  ) {}

  start(): void {
    this.#timer ??= setInterval(() => this.#tick(), 1000 / this.config.perSecond);
  }

  /** Resolves when the picture in flight, if any, is through. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#timer = undefined;
    await this.#inFlight;
  }

  #tick(): void {
    this.#inFlight ??= this.#next().finally(() => {
      this.#inFlight = undefined;
    });
  }

  async #next(): Promise<void> {
    if (this.#round.length === 0) this.#round = await this.#scan();
    const picture = this.#round.shift();
    if (!picture) return;
    try {
      const outcome = await this.infer(await readFile(picture.path), picture.name);
      if (outcome === 'busy') this.#round.unshift(picture);
      else await this.#finish(picture, outcome);
    } catch (error) {
      this.#settled.set(picture.name, picture.version);
      this.log.warn({ file: picture.path, reason: messageOf(error) }, 'a picture was skipped: it can not be read');
    }
  }

  async #finish({ name, path, version }: Picture, outcome: 'inferred' | 'refused'): Promise<void> {
    // A refused picture is kept for its owner to look at.
    if (this.config.then === 'delete' && outcome === 'inferred') await rm(path, { force: true });
    else this.#settled.set(name, version);
  }

  /** The pictures of the next round; new ones are noticed here. An empty or missing folder is a state, not a failure. */
  async #scan(): Promise<Picture[]> {
    if (performance.now() < this.#nextScan) return [];
    const pictures = await this.#list();
    const present = new Set(pictures.map(({ name }) => name));
    for (const name of this.#settled.keys()) if (!present.has(name)) this.#settled.delete(name);
    const wanted =
      this.config.then === 'repeat' ? pictures : pictures.filter(({ name, version }) => this.#settled.get(name) !== version);
    if (wanted.length === 0) this.#nextScan = performance.now() + rescanMs;
    return wanted;
  }

  async #list(): Promise<Picture[]> {
    const { directory } = this.config;
    try {
      const names = (await readdir(directory)).filter((name) => this.names.test(name)).toSorted();
      const pictures = await Promise.all(names.map((name) => describe(name, join(directory, name))));
      const found = pictures.filter((picture) => picture !== undefined);
      this.#complain(found.length > 0 ? '' : 'the source holds no pictures yet');
      return found;
    } catch (error) {
      this.#complain(`the source can not be read: ${messageOf(error)}`);
      return [];
    }
  }

  /** Once for each change, not once for each look. */
  #complain(complaint: string): void {
    if (complaint === this.#complaint) return;
    if (complaint) this.log.warn({ directory: this.config.directory }, complaint);
    else this.log.info({ directory: this.config.directory }, 'the source has pictures again');
    this.#complaint = complaint;
  }
}

/** Undefined for what went away since the folder was read, and for what is no file. */
async function describe(name: string, path: string): Promise<Picture | undefined> {
  try {
    const stats = await stat(path);
    return stats.isFile() ? { name, path, version: `${stats.mtimeMs}:${stats.size}` } : undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
