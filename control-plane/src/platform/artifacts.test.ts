import { spawnSync, execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { sha256 } from '@flotilla/protocol';
import { afterAll, describe, expect, it } from 'vitest';
import { Artifacts } from './artifacts.js';

const base = mkdtempSync(join(tmpdir(), 'flotilla-artifacts-'));
afterAll(() => rmSync(base, { recursive: true }));
let stores = 0;
const aStore = () => new Artifacts(join(base, String(stores++)));

const content = Buffer.from('0123456789');
const digest = sha256(content);
const other = sha256('other');
const limit = 1000;
const leftovers = (store: Artifacts) => readdirSync(join(store.dir, 'incoming'));

describe('the artifact store', () => {
  it('gives back what was put, whole or in part', async () => {
    const store = aStore();
    expect(await store.put(digest, Readable.from([content.subarray(0, 3), content.subarray(3)]), limit)).toEqual({
      size: 10,
      created: true,
    });
    expect(await store.has(digest)).toEqual({ size: 10 });
    const whole = await store.open(digest);
    expect(await buffer(whole.stream)).toEqual(content);
    const part = await store.open(digest, { start: 2, end: 4 });
    expect(part.size).toBe(10);
    expect(String(await buffer(part.stream))).toBe('234');
  });

  it('knows what it does not have', async () => {
    const store = aStore();
    expect(await store.has(digest)).toBeNull();
    await expect(store.open(digest)).rejects.toMatchObject({ code: 'ARTIFACT_NOT_FOUND' });
  });

  it('names bytes by their digest', async () => {
    const store = aStore();
    expect(await store.putBytes(content)).toBe(digest);
    expect(await store.list()).toEqual([digest]);
  });

  it('says that the same content was there before', async () => {
    const store = aStore();
    await store.putBytes(content);
    expect(await store.put(digest, Readable.from([content]), limit)).toEqual({ size: 10, created: false });
  });

  it.each([
    ['another digest', other, Readable.from([content]), limit, 'DIGEST_MISMATCH'],
    ['too many bytes', digest, Readable.from([content]), 9, 'ARTIFACT_TOO_LARGE'],
  ])('refuses %s and keeps nothing of it', async (_, name, stream, maxBytes, code) => {
    const store = aStore();
    await expect(store.put(name, stream, maxBytes)).rejects.toMatchObject({ code });
    expect(await store.has(name)).toBeNull();
    expect(leftovers(store)).toEqual([]);
  });

  it('keeps nothing of an upload that breaks off', async () => {
    const store = aStore();
    const broken = new Readable({ read() {} });
    const put = store.put(digest, broken, limit);
    broken.push(content.subarray(0, 5));
    setImmediate(() => broken.destroy());
    await expect(put).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
    expect(leftovers(store)).toEqual([]);
  });

  it('takes the same content from several at once', async () => {
    const store = aStore();
    const puts = await Promise.all(Array.from({ length: 8 }, () => store.put(digest, Readable.from([content]), limit)));
    expect(puts.every(({ size }) => size === 10)).toBe(true);
    expect(puts.some(({ created }) => created)).toBe(true);
    expect(await buffer((await store.open(digest)).stream)).toEqual(content);
    expect(leftovers(store)).toEqual([]);
  });

  it('clears what a crash left half received', async () => {
    const store = aStore();
    mkdirSync(join(store.dir, 'incoming'), { recursive: true });
    writeFileSync(join(store.dir, 'incoming', 'half'), 'x');
    await store.putBytes(content);
    expect(leftovers(store)).toEqual([]);
  });

  it.skipIf(process.getuid?.() !== 0)('says that the disk is full (skipped for an ordinary user)', async (context) => {
    const store = aStore();
    mkdirSync(store.dir);
    if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'none', store.dir]).status !== 0)
      return context.skip('this root may not mount');
    try {
      const large = Buffer.alloc(200_000);
      await expect(store.put(sha256(large), Readable.from([large]), 1e6)).rejects.toMatchObject({ code: 'STORAGE_FULL' });
      expect(existsSync(join(store.dir, sha256(large).slice(0, 2)))).toBe(false);
      expect(leftovers(store)).toEqual([]);
    } finally {
      execFileSync('umount', [store.dir]);
    }
  });
});
