import { readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import type { SourceConfig } from '../runner-protocol.js';
import { aLog, eventually } from '../fixtures/eventually.js';
import { Workshop } from './fixtures/orders.js';
import { DirectorySource, type InferOutcome } from './source.js';

const workshop = new Workshop();
const running: DirectorySource[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((source) => source.stop()));
  await workshop.clear();
});

/** A source over a folder; `seen` grows by each picture that reaches the model, which answers as told. */
async function aSource(
  then: SourceConfig['then'],
  files: Record<string, string>,
  outcome: (content: string) => Promise<InferOutcome> | InferOutcome = () => 'inferred',
) {
  const directory = await workshop.folder(files);
  const seen: string[] = [];
  const log = aLog();
  const infer = async (encoded: Uint8Array, name: string) => {
    seen.push(name);
    return outcome(Buffer.from(encoded).toString());
  };
  const source = new DirectorySource({ directory, perSecond: 500, then }, infer, log);
  running.push(source);
  return { directory, seen, source, log };
}
const pictures = { 'b.png': 'b', 'a.jpg': 'a', 'c.JPEG': 'c', 'notes.txt': 'no picture' };

const done: InferOutcome = 'inferred';

describe('repeat', () => {
  test('goes round in the order of names, and only over pictures', async () => {
    const { seen, source } = await aSource('repeat', pictures);
    source.start();
    await eventually(() => seen.length >= 6);
    expect(seen.slice(0, 6)).toEqual(['a.jpg', 'b.png', 'c.JPEG', 'a.jpg', 'b.png', 'c.JPEG']);
  });

  test('takes a new picture in its next round', async () => {
    const { directory, seen, source } = await aSource('repeat', pictures);
    source.start();
    await eventually(() => seen.length > 3);
    await writeFile(join(directory, 'd.webp'), 'd');
    await eventually(() => seen.includes('d.webp'));
  });

  test('tries a refused picture again each round', async () => {
    const { seen, source } = await aSource('repeat', pictures, (content) => (content === 'b' ? 'refused' : 'inferred'));
    source.start();
    await eventually(() => seen.filter((name) => name === 'b.png').length >= 2);
  });
});

describe('keep', () => {
  test('infers each picture once, a changed one again, and leaves all where they are', async () => {
    const { directory, seen, source } = await aSource('keep', pictures);
    source.start();
    await eventually(() => seen.length === 3);
    await writeFile(join(directory, 'a.new'), 'another');
    await rename(join(directory, 'a.new'), join(directory, 'a.jpg'));
    await eventually(() => seen.length === 4);
    expect(seen).toEqual(['a.jpg', 'b.png', 'c.JPEG', 'a.jpg']);
    expect(await readdir(directory)).toHaveLength(4);
  });
});

describe('delete', () => {
  test('removes what was inferred, keeps what was refused', async () => {
    const { directory, seen, source } = await aSource('delete', pictures, (content) =>
      content === 'b' ? 'refused' : 'inferred',
    );
    source.start();
    await eventually(() => seen.length === 3);
    await eventually(async () => (await readdir(directory)).length === 2);
    expect((await readdir(directory)).toSorted()).toEqual(['b.png', 'notes.txt']);
  });

  test('keeps what the model had no time for and comes back to it', async () => {
    let busy = 2;
    const { directory, seen, source } = await aSource('delete', { 'a.jpg': 'a' }, () => (busy-- > 0 ? 'busy' : 'inferred'));
    source.start();
    await eventually(async () => (await readdir(directory)).length === 0);
    expect(seen).toEqual(['a.jpg', 'a.jpg', 'a.jpg']);
  });
});

test('one picture at a time: ticks that come while it is inferred are dropped', async () => {
  let [inFlight, most] = [0, 0];
  const { seen, source } = await aSource('repeat', pictures, async () => {
    most = Math.max(most, ++inFlight);
    await new Promise((resolve) => setTimeout(resolve, 20));
    inFlight -= 1;
    return done;
  });
  const started = performance.now();
  source.start();
  await eventually(() => seen.length >= 5);
  expect(most).toBe(1);
  expect(performance.now() - started).toBeGreaterThan(4 * 20);
});

test('stop waits for the picture in flight, and none follows', async () => {
  let through = false;
  const { seen, source } = await aSource('repeat', pictures, async () => {
    await new Promise((resolve) => setTimeout(resolve, 50));
    through = true;
    return done;
  });
  source.start();
  await eventually(() => seen.length === 1);
  await source.stop();
  expect(through).toBe(true);
  expect(seen).toHaveLength(1);
});

test('a missing folder is told once, and read when it comes', async () => {
  const { directory, seen, source, log } = await aSource('repeat', pictures);
  await rename(directory, `${directory}-away`);
  source.start();
  await eventually(() => log.lines.length === 1);
  expect(log.lines[0]).toMatchObject({ level: 'warn', message: expect.stringContaining('ENOENT') });
  await rename(`${directory}-away`, directory);
  await eventually(() => seen.length > 0);
  expect(log.lines.map(({ level }) => level)).toEqual(['warn', 'info']);
});

test('an empty folder is told once', async () => {
  const { directory, seen, source, log } = await aSource('keep', { 'notes.txt': '' });
  source.start();
  await eventually(() => log.lines.length === 1);
  expect(log.lines[0]!.message).toBe('the source holds no pictures yet');
  await writeFile(join(directory, 'a.jpg'), 'a');
  await eventually(() => seen.length === 1);
});

test('a picture that goes away between the look and the reading is skipped', async () => {
  const { directory, seen, source } = await aSource('repeat', pictures, async (content) => {
    if (content === 'a') await rm(join(directory, 'b.png'));
    return done;
  });
  source.start();
  await eventually(() => seen.length >= 2);
  expect(seen.slice(0, 2)).toEqual(['a.jpg', 'c.JPEG']);
});
