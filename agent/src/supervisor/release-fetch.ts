import type { Digest, Manifest } from '@flotilla/protocol/device';
import { statfs } from 'node:fs/promises';
import { UpdateFailure } from '../core/failure.js';
import { type ArtifactStore, filesFor, type StoredRelease } from './artifact-store.js';
import type { Downloads } from './downloads.js';

/** The contract bounds a manifest to 4096 files. */
const maxManifestBytes = 4 << 20;
/** Left free on the disk for journals, outbox and predictions. */
const spareBytes = 16 << 20;
const repairMs = 5000;

type Progress = { signal: AbortSignal; onWaiting?: (reason: string) => void; onReceiving?: () => void };
type Options = {
  store: ArtifactStore;
  downloads: Downloads;
  /** Where the store lies: asked for its free space. */
  folder: string;
  budgetBytes: number;
  /** Manifests whose files must stay. */
  pinned: () => ReadonlySet<Digest>;
};

/** Brings a release's manifest and files into the store: what is there already is not fetched again. */
export class ReleaseFetch {
  readonly #options: Options;
  readonly #busy = new Map<Digest, Promise<unknown>>();
  /** What is fetched while it is cleared away is not known to it, and would go with the rest. */
  #collecting: Promise<unknown> = Promise.resolve();

  constructor(options: Options) {
    this.#options = options;
  }

  async manifest(digest: Digest, progress: Progress): Promise<Manifest> {
    await this.#collecting;
    await this.#artifact(digest, maxManifestBytes, progress);
    return this.#options.store.manifest(digest);
  }

  /** The files that these variants need, as a folder of their own. */
  async files(digest: Digest, variants: readonly string[], progress: Progress): Promise<StoredRelease> {
    const files = filesFor(await this.manifest(digest, progress), variants);
    const missing: typeof files = [];
    for (const file of files) if (!(await this.#options.store.has(file.sha256))) missing.push(file);
    if (missing.length > 0) await this.#makeRoom(digest, files, missing);
    for (const { sha256, size } of missing) await this.#artifact(sha256, size, progress);
    return this.#options.store.materialise(digest, files);
  }

  /** Ready to be loaded; what is damaged or missing is fetched again where the network allows it at once. */
  async open(digest: Digest, variant: string): Promise<StoredRelease> {
    const { store } = this.#options;
    try {
      return await store.openRelease(digest, variant);
    } catch (error) {
      if (!(error instanceof UpdateFailure)) throw error;
      const signal = AbortSignal.timeout(repairMs);
      try {
        await this.files(digest, [variant], { signal });
      } catch (cause) {
        throw new UpdateFailure(error.failure, `${error.message}, and it could not be fetched again at once`, { cause });
      }
      return store.openRelease(digest, variant);
    }
  }

  collect(): Promise<Digest[]> {
    const { store, pinned, budgetBytes } = this.#options;
    const collected = this.#collecting.then(() => store.collect(pinned(), budgetBytes));
    this.#collecting = collected.catch(() => undefined);
    return collected;
  }

  async #makeRoom(digest: Digest, files: Manifest['files'], missing: Manifest['files']): Promise<void> {
    const { store, pinned, budgetBytes, folder } = this.#options;
    const all = bytesOf(files);
    if (all > budgetBytes) throw noSpace(digest, all, `the store may hold ${megabytes(budgetBytes)}`);
    const wanted = bytesOf(missing);
    await store.collect(new Set([...pinned(), digest]), Math.max(0, budgetBytes - wanted));
    const { bavail, bsize } = await statfs(folder);
    if (bavail * bsize < wanted + spareBytes) throw noSpace(digest, wanted, `the disk has ${megabytes(bavail * bsize)} left`);
  }

  /** Two slots may want the same file: the second waits for the first, then finds it there. */
  async #artifact(digest: Digest, maxBytes: number, progress: Progress): Promise<void> {
    const { store, downloads } = this.#options;
    while (!(await store.has(digest))) {
      const other = this.#busy.get(digest);
      if (other) {
        await Promise.race([other, aborted(progress.signal)]);
        progress.signal.throwIfAborted();
        continue;
      }
      const into = store.partialOf(digest);
      const fetched = downloads.fetch({ digest, into, maxBytes, ...progress }).then(() => store.adopt(digest, into));
      this.#busy.set(
        digest,
        fetched.catch(() => undefined),
      );
      try {
        await fetched;
      } finally {
        this.#busy.delete(digest);
      }
    }
  }
}

const bytesOf = (files: Manifest['files']) => files.reduce((sum, { size }) => sum + size, 0);
const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;
const noSpace = (digest: Digest, bytes: number, limit: string) =>
  new UpdateFailure('space', `release ${digest} needs ${megabytes(bytes)}, ${limit}`);
const aborted = (signal: AbortSignal) =>
  new Promise<void>((resolve) =>
    signal.aborted ? resolve() : signal.addEventListener('abort', () => resolve(), { once: true }),
  );
