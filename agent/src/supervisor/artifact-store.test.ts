import { canonicalJson, type Digest, type Manifest, sha256 } from '@flotilla/protocol/device';
import { chmod, mkdir, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ArtifactStore, filesFor } from './artifact-store.js';
import { ArtifactServer } from './fixtures/artifact-server.js';
import { aManifest, temporaryFolder } from './fixtures/fleet-of-one.js';

let folder: string;
let store: ArtifactStore;
let server: ArtifactServer;
beforeEach(async () => {
  folder = await temporaryFolder();
  store = new ArtifactStore(folder);
  server = await ArtifactServer.start();
  await store.open();
});
afterEach(async () => {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

async function put(bytes: string): Promise<Digest> {
  const digest = sha256(bytes);
  await writeFile(store.partialOf(digest), bytes);
  await store.adopt(digest, store.partialOf(digest));
  return digest;
}
async function aRelease(files: Record<string, string>): Promise<{ digest: Digest; manifest: Manifest }> {
  const manifest = aManifest(server, files);
  for (const bytes of Object.values(files)) await put(bytes);
  const digest = await put(canonicalJson(manifest));
  await store.materialise(digest, manifest.files);
  return { digest, manifest };
}
const decay = async (file: string) => {
  await chmod(file, 0o644);
  await writeFile(file, 'decayed');
};

describe('the artifact store', () => {
  it('makes the folder of a release that several slots want at once, one after the other', async () => {
    const manifest = aManifest(server, { 'a.onnx': 'a', 'labels.txt': 'labels' });
    for (const bytes of ['a', 'labels', canonicalJson(manifest)]) await put(bytes);
    const digest = sha256(canonicalJson(manifest));
    const wanted = Array.from({ length: 8 }, () => store.materialise(digest, manifest.files));
    expect(new Set((await Promise.all(wanted)).map(({ folder: made }) => made)).size).toBe(1);
    expect(await readdir(join(folder, 'releases'))).toEqual([digest]);
    await store.openRelease(digest, 'a.onnx');
  });

  it('shows a file only once it is whole and right', async () => {
    const digest = sha256('right');
    await writeFile(store.partialOf(digest), 'wrong');
    await expect(store.adopt(digest, store.partialOf(digest))).rejects.toMatchObject({ failure: 'trust' });
    expect(await store.has(digest)).toBe(false);
    expect(await readdir(join(folder, 'partial'))).toEqual([]);
    await put('right');
    expect(await readFile(store.pathOf(digest), 'utf8')).toBe('right');
  });

  it('lays a release out under its manifest paths, without a second copy', async () => {
    const { digest } = await aRelease({ 'model.onnx': 'm', 'golden/cases.json': 'c' });
    const opened = await store.openRelease(digest, 'model.onnx');
    expect(await readFile(join(opened.folder, 'golden/cases.json'), 'utf8')).toBe('c');
    expect((await stat(join(opened.folder, 'model.onnx'))).nlink).toBe(2);
    expect(JSON.parse(await readFile(join(opened.folder, 'manifest.json'), 'utf8'))).toEqual(opened.manifest);
  });

  it('adds files to a release that lies there already', async () => {
    const manifest = aManifest(server, { 'a.onnx': 'a', 'b.onnx': 'b' });
    const digest = await put(canonicalJson(manifest));
    await put('a');
    await store.materialise(digest, filesFor(manifest, ['a.onnx']));
    await expect(store.openRelease(digest, 'b.onnx')).rejects.toThrow(
      `release ${digest} is not whole on disk: b.onnx is missing`,
    );
    await put('b');
    await store.materialise(digest, filesFor(manifest, ['b.onnx']));
    await expect(store.openRelease(digest, 'b.onnx')).resolves.toMatchObject({ manifest });
  });

  it('knows the files of a variant of several networks, shared ones too', () => {
    const of = (name: string, find: string) => ({
      name,
      files: { find, read: 'read.onnx' },
      precision: 'int8',
      providers: ['cpu'],
    });
    const manifest = {
      ...aManifest(server, { 'a.onnx': 'a', 'b.onnx': 'b', 'read.onnx': 'r', 'labels.txt': 'l' }),
      variants: [of('small', 'a.onnx'), of('large', 'b.onnx')],
    } as Manifest;
    expect(filesFor(manifest, ['small']).map(({ path }) => path)).toEqual(['a.onnx', 'read.onnx', 'labels.txt']);
    expect(filesFor(manifest, ['large', 'small'])).toHaveLength(4);
  });

  it('clears away a release that a power cut left unfinished', async () => {
    await mkdir(join(folder, 'releases', `${sha256('x')}.new`), { recursive: true });
    await new ArtifactStore(folder).open();
    expect(await readdir(join(folder, 'releases'))).toEqual([]);
  });

  it.each(['model.onnx', 'manifest'])('does not open a release whose %s decayed', async (what) => {
    const { digest } = await aRelease({ 'model.onnx': 'm' });
    await decay(store.pathOf(what === 'manifest' ? digest : sha256('m')));
    await expect(store.openRelease(digest, 'model.onnx')).rejects.toMatchObject({
      failure: 'load',
      message: expect.stringContaining(`${what} decayed`),
    });
    await expect(store.openRelease(digest, 'model.onnx')).rejects.toThrow('missing');
    expect(await store.has(what === 'manifest' ? digest : sha256('m'))).toBe(false);
  });

  it('removes and names what decayed', async () => {
    await aRelease({ 'model.onnx': 'm' });
    await decay(store.pathOf(sha256('m')));
    expect(await store.verify()).toEqual([sha256('m')]);
    expect(await store.verify()).toEqual([]);
  });

  it('says which manifest it does not understand', async () => {
    const digest = await put('{"v":1}');
    await expect(store.manifest(digest)).rejects.toMatchObject({
      failure: 'incompatible',
      message: expect.stringContaining(digest),
    });
  });
});

describe('collecting what is not needed', () => {
  const aged = async (digest: Digest, minutes: number) => {
    const at = new Date(Date.now() - minutes * 60_000);
    await utimes(join(folder, 'releases', digest), at, at);
  };
  const kept = () => readdir(join(folder, 'releases'));

  it('takes nothing while all fits', async () => {
    await aRelease({ 'a.onnx': 'a' });
    expect(await store.collect(new Set(), 1e6)).toEqual([]);
  });

  it('takes the longest unused first, never a pinned one, and leaves what others share', async () => {
    const shared = 's'.repeat(1000);
    const old = await aRelease({ 'a.onnx': 'a'.repeat(5000), shared });
    const older = await aRelease({ 'b.onnx': 'b'.repeat(5000), shared });
    const pinned = await aRelease({ 'c.onnx': 'c'.repeat(5000), shared });
    await aged(old.digest, 1);
    await aged(older.digest, 2);
    await aged(pinned.digest, 3);
    expect(await store.collect(new Set([pinned.digest]), 14_000)).toEqual([older.digest]);
    expect(await store.collect(new Set([pinned.digest]), 0)).toEqual([old.digest]);
    expect(await kept()).toEqual([pinned.digest]);
    await expect(store.openRelease(pinned.digest, 'c.onnx')).resolves.toBeDefined();
    expect(await store.has(sha256('a'.repeat(5000)))).toBe(false);
  });

  it('keeps what a pinned release on its way has fetched, and drops parts of what nobody wants', async () => {
    const manifest = aManifest(server, { 'a.onnx': 'a', 'b.onnx': 'b' });
    const digest = await put(canonicalJson(manifest));
    await put('a');
    await writeFile(store.partialOf(sha256('b')), 'half');
    await writeFile(store.partialOf(sha256('z')), 'half');
    await writeFile(`${store.partialOf(sha256('z'))}.etag`, '"z"');
    await store.collect(new Set([digest]), 0);
    expect(await store.has(sha256('a'))).toBe(true);
    expect(await readdir(join(folder, 'partial'))).toEqual([sha256('b')]);
  });

  it('is not stopped by a manifest that cannot be read', async () => {
    const { digest } = await aRelease({ 'a.onnx': 'a' });
    await decay(store.pathOf(digest));
    expect(await store.collect(new Set([digest]), 0)).toEqual([]);
  });
});
