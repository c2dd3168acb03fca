import { Digest, Manifest, variantFiles, variantName } from '@flotilla/protocol/device';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { chmod, copyFile, link, mkdir, readdir, readFile, rename, rm, stat, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { UpdateFailure } from '../core/failure.js';
import { writeDurably } from './durable-file.js';
import { renameDurably, synced } from './durable-rename.js';
import { isErrno } from '../errors.js';

/** A release that can be loaded: its files lie under `folder` by their manifest paths. */
export type StoredRelease = { manifest: Manifest; folder: string };

/** Content-addressed files, each verified before it gets its name, and the releases that are made of them. */
export class ArtifactStore {
  readonly #root: string;
  /** Releases whose folders are being made. */
  readonly #placing = new Map<Digest, Promise<void>>();

  constructor(root: string) {
    this.#root = root;
  }

  async open(): Promise<void> {
    await mkdir(this.#partials, { recursive: true });
    await mkdir(join(this.#root, 'releases'), { recursive: true });
    const names = await readdir(join(this.#root, 'releases'));
    const unfinished = names.filter((name) => !Digest.safeParse(name).success);
    await Promise.all(unfinished.map((name) => rm(join(this.#root, 'releases', name), { recursive: true, force: true })));
  }

  async has(digest: Digest): Promise<boolean> {
    return exists(this.pathOf(digest));
  }

  pathOf(digest: Digest): string {
    return join(this.#root, 'sha256', digest.slice(0, 2), digest);
  }

  /** Where a download grows until it is whole; kept over restarts. */
  partialOf(digest: Digest): string {
    return join(this.#partials, digest);
  }

  /** Takes a whole download in. What it holds must hash to its name. */
  async adopt(digest: Digest, file: string): Promise<void> {
    const actual = await hashOf(file);
    if (actual !== digest) {
      await rm(file, { force: true });
      throw new UpdateFailure('trust', `artifact ${digest} holds other bytes, of sha256 ${actual}; it was thrown away`);
    }
    const home = this.pathOf(digest);
    await mkdir(dirname(home), { recursive: true });
    await chmod(file, 0o444);
    await synced(file, 'r');
    await renameDurably(file, home);
  }

  async manifest(digest: Digest): Promise<Manifest> {
    const text = await readFile(this.pathOf(digest), 'utf8');
    const parsed = Manifest.safeParse(parseJson(text));
    if (parsed.success) return parsed.data;
    const [issue] = parsed.error.issues;
    const where = issue ? `${issue.path.join('.')}: ${issue.message}` : 'not a manifest';
    throw new UpdateFailure(
      'incompatible',
      `manifest ${digest} is not one that this agent understands (${where}); update the agent`,
    );
  }

  /** Makes the release's folder out of stored files: at once whole, or not there. Two slots may want one at the same time. */
  async materialise(digest: Digest, files: readonly Manifest['files'][number][]): Promise<StoredRelease> {
    const before = this.#placing.get(digest) ?? Promise.resolve();
    const placed = before.then(() => this.#materialise(digest, files));
    const settled = placed.then(nothing, nothing);
    this.#placing.set(digest, settled);
    void settled.then(() => this.#placing.get(digest) === settled && this.#placing.delete(digest));
    return placed;
  }

  async #materialise(digest: Digest, files: readonly Manifest['files'][number][]): Promise<StoredRelease> {
    const manifest = await this.manifest(digest);
    const folder = this.#folderOf(digest);
    if (!(await exists(folder))) {
      const unfinished = `${folder}.new`;
      await rm(unfinished, { recursive: true, force: true });
      await this.#place(unfinished, files);
      writeDurably(join(unfinished, 'manifest.json'), JSON.stringify(manifest));
      await rename(unfinished, folder);
    } else await this.#place(folder, files);
    await synced(dirname(folder), 'r');
    return { manifest, folder };
  }

  /** The release as it lies on disk, hashed again: what decayed is removed, and the failure says so. */
  async openRelease(digest: Digest, variant: string): Promise<StoredRelease> {
    const folder = this.#folderOf(digest);
    if (!(await this.has(digest)) || !(await exists(folder))) throw missing(digest, 'its folder');
    await this.#check(digest, 'manifest', digest, this.pathOf(digest));
    const manifest = await this.manifest(digest);
    const checks = filesFor(manifest, [variant]).map(async ({ path, sha256 }) => {
      const file = join(folder, path);
      if (!(await exists(file))) throw missing(digest, path);
      await this.#check(digest, path, sha256, file);
    });
    await Promise.all(checks);
    const now = new Date();
    await utimes(folder, now, now);
    return { manifest, folder };
  }

  /** Hashes every stored file; what is not what its name says is removed and named. */
  async verify(): Promise<Digest[]> {
    const decayed: Digest[] = [];
    for (const { digest } of await this.#stored()) {
      if ((await hashOf(this.pathOf(digest))) === digest) continue;
      await rm(this.pathOf(digest), { force: true });
      decayed.push(digest);
    }
    return decayed;
  }

  /** Removes releases that nobody pinned, the longest unused first, until the files fit the budget. Returns what went. */
  async collect(pinned: ReadonlySet<Digest>, budgetBytes: number): Promise<Digest[]> {
    const releases = await this.#releases();
    const gone: Digest[] = [];
    const keep = new Set([...releases.map(({ digest }) => digest), ...pinned]);
    const candidates = releases.filter(({ digest }) => !pinned.has(digest)).toSorted((a, b) => a.usedAt - b.usedAt);
    for (let bytes = await this.#sweep(keep); bytes > budgetBytes; bytes = await this.#sweep(keep)) {
      const oldest = candidates.shift();
      if (!oldest) break;
      keep.delete(oldest.digest);
      gone.push(oldest.digest);
      await rm(this.#folderOf(oldest.digest), { recursive: true, force: true });
    }
    return gone;
  }

  /** Removes files that no kept release names; returns the bytes that stay. */
  async #sweep(keep: ReadonlySet<Digest>): Promise<number> {
    const named = new Set<string>(keep);
    for (const digest of keep) {
      for (const sha256 of await this.#namedBy(digest)) named.add(sha256);
    }
    let bytes = 0;
    for (const { digest, size } of await this.#stored()) {
      if (named.has(digest)) bytes += size;
      else await rm(this.pathOf(digest), { force: true });
    }
    const partials = await readdir(this.#partials);
    const orphans = partials.filter((name) => !named.has(name.slice(0, 64)));
    await Promise.all(orphans.map((name) => rm(join(this.#partials, name), { force: true })));
    return bytes;
  }

  /** A manifest that cannot be read names nothing: its release's own folder still holds the files. */
  async #namedBy(digest: Digest): Promise<Digest[]> {
    if (!(await this.has(digest))) return [];
    const parsed = Manifest.safeParse(parseJson(await readFile(this.pathOf(digest), 'utf8')));
    return parsed.data?.files.map(({ sha256 }) => sha256) ?? [];
  }

  async #place(folder: string, files: readonly Manifest['files'][number][]): Promise<void> {
    for (const { path, sha256 } of files) {
      const file = join(folder, path);
      if (await exists(file)) continue;
      await mkdir(dirname(file), { recursive: true });
      await linkOrCopy(this.pathOf(sha256), file);
      await synced(dirname(file), 'r');
    }
  }

  /** The release's copy may be sound where the stored one is not, and the other way round. */
  async #check(release: Digest, what: string, digest: Digest, file: string): Promise<void> {
    if ((await hashOf(file)) === digest) return;
    await rm(file, { force: true });
    if ((await this.has(digest)) && (await hashOf(this.pathOf(digest))) !== digest)
      await rm(this.pathOf(digest), { force: true });
    throw new UpdateFailure('load', `release ${release}: ${what} decayed on disk (its hash is wrong) and was removed`);
  }

  async #stored(): Promise<{ digest: Digest; size: number }[]> {
    const root = join(this.#root, 'sha256');
    if (!(await exists(root))) return [];
    const names = await readdir(root, { recursive: true });
    const digests = names.flatMap((name) => Digest.safeParse(name.slice(3)).data ?? []);
    return Promise.all(digests.map(async (digest) => ({ digest, size: (await stat(this.pathOf(digest))).size })));
  }

  async #releases(): Promise<{ digest: Digest; usedAt: number }[]> {
    const digests = (await readdir(join(this.#root, 'releases'))).flatMap((name) => Digest.safeParse(name).data ?? []);
    return Promise.all(digests.map(async (digest) => ({ digest, usedAt: (await stat(this.#folderOf(digest))).mtimeMs })));
  }

  #folderOf(digest: Digest): string {
    return join(this.#root, 'releases', digest);
  }

  get #partials(): string {
    return join(this.#root, 'partial');
  }
}

/** What must be there to run these variants: all files but the other variants' own. */
export function filesFor(manifest: Manifest, variants: readonly string[]): Manifest['files'] {
  const wanted = new Set(manifest.variants.filter((variant) => variants.includes(variantName(variant))).flatMap(variantFiles));
  const others = new Set(manifest.variants.flatMap(variantFiles).filter((file) => !wanted.has(file)));
  return manifest.files.filter(({ path }) => !others.has(path));
}

const nothing = () => {};
const missing = (digest: Digest, what: string) =>
  new UpdateFailure('load', `release ${digest} is not whole on disk: ${what} is missing`);

async function hashOf(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/** Some file systems know no hard links. */
async function linkOrCopy(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (error) {
    if (!isErrno(error, 'EXDEV', 'EPERM', 'ENOTSUP', 'EMLINK')) throw error;
    await copyFile(from, `${to}.copy`);
    await synced(`${to}.copy`, 'r');
    await rename(`${to}.copy`, to);
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return false;
    throw error;
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // refused by the schema
  }
}
