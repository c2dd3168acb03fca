import { appendFile, mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DirectorySource } from '@flotilla/protocol/device';
import { afterEach, describe, expect, test } from 'vitest';
import { eventually } from '../../fixtures/eventually.js';
import { CollectingSink } from '../fixtures/collecting-sink.js';
import { Folders } from '../fixtures/folders.js';
import type { Captured, Outcome, Source } from '../source.js';
import { directorySource } from './directory.js';

const folders = new Folders();
const running: Source[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((source) => source.stop()));
  await folders.clear();
});

/** What begins as a JPEG does, told from another by its text. */
const picture = (text: string) => Buffer.concat([Buffer.of(0xff, 0xd8, 0xff), Buffer.from(text)]);
const textOf = ({ bytes }: Captured) => Buffer.from(bytes).toString('latin1', 3);
const pictures = { 'b.png': picture('b'), 'a.jpg': picture('a'), 'c.JPEG': picture('c'), 'notes.txt': 'no picture' };

type Answer = (captured: Captured) => Outcome | Promise<Outcome>;
function started(directory: string, then: DirectorySource['then'], answer?: Answer, perSecond = 500) {
  const sink = new CollectingSink(answer);
  const source = directorySource(DirectorySource.parse({ directory, perSecond, then }));
  running.push(source);
  source.start(sink);
  return { sink, source };
}

describe('repeat', () => {
  test('goes round in the order of names, and only over what can be inferred', async () => {
    const { sink } = started(await folders.make(pictures), 'repeat');
    await eventually(() => sink.submitted.length >= 6);
    expect(sink.names.slice(0, 6)).toEqual(['a.jpg', 'b.png', 'c.JPEG', 'a.jpg', 'b.png', 'c.JPEG']);
    expect(sink.now).toEqual({ state: 'running' });
  });

  test('takes a new picture in its next round, and tries a refused one again', async () => {
    const directory = await folders.make(pictures);
    const { sink } = started(directory, 'repeat', (captured) => (textOf(captured) === 'b' ? 'refused' : 'inferred'));
    await eventually(() => sink.submitted.length > 3);
    await writeFile(join(directory, 'd.webp'), picture('d'));
    await eventually(() => sink.names.includes('d.webp'));
    await eventually(() => sink.names.filter((name) => name === 'b.png').length >= 2);
  });

  test('does not go faster than it is told', async () => {
    const began = performance.now();
    const { sink } = started(await folders.make(pictures), 'repeat', undefined, 20);
    await eventually(() => sink.submitted.length >= 11);
    expect(performance.now() - began).toBeGreaterThan(450);
  });
});

describe('keep', () => {
  test('infers each picture once, a changed one again, and leaves all where they are', async () => {
    const directory = await folders.make(pictures);
    const { sink } = started(directory, 'keep');
    await eventually(() => sink.submitted.length === 3);
    await writeFile(join(directory, 'a.new'), picture('another'));
    await rename(join(directory, 'a.new'), join(directory, 'a.jpg'));
    await eventually(() => sink.submitted.length === 4);
    expect(sink.names).toEqual(['a.jpg', 'b.png', 'c.JPEG', 'a.jpg']);
    expect(await readdir(directory)).toHaveLength(4);
  });

  test('one that came before an inspection asked is passed over; the next one to come is taken', async () => {
    let asked = false;
    const directory = await folders.make(pictures);
    const { sink } = started(directory, 'keep', () => (asked ? 'inferred' : 'unasked'));
    await eventually(() => sink.submitted.length === 3);
    asked = true;
    await writeFile(join(directory, 'd.jpg'), picture('the part'));
    await eventually(() => sink.names.includes('d.jpg'));
    expect(sink.names).toEqual(['a.jpg', 'b.png', 'c.JPEG', 'd.jpg']);
  });
});

describe('delete', () => {
  test('removes what was inferred, keeps what was refused, and does not ask for that again before it changes', async () => {
    const directory = await folders.make(pictures);
    const { sink } = started(directory, 'delete', (captured) => (textOf(captured) === 'b' ? 'refused' : 'inferred'));
    await eventually(async () => (await readdir(directory)).length === 2);
    expect((await readdir(directory)).toSorted()).toEqual(['b.png', 'notes.txt']);
    await writeFile(join(directory, 'b.png'), picture('better'));
    await eventually(async () => (await readdir(directory)).length === 1);
    expect(sink.names.filter((name) => name === 'b.png')).toHaveLength(2);
  });

  test('comes back to what the model had no time for', async () => {
    let busy = 2;
    const directory = await folders.make({ 'a.jpg': picture('a') });
    const { sink } = started(directory, 'delete', () => (busy-- > 0 ? 'busy' : 'inferred'));
    await eventually(async () => (await readdir(directory)).length === 0);
    expect(sink.names).toEqual(['a.jpg', 'a.jpg', 'a.jpg']);
  });

  test('does not take what came in the place of the one that was inferred', async () => {
    const directory = await folders.make({ 'a.jpg': picture('first') });
    let asked = 0;
    const { sink } = started(directory, 'delete', async (): Promise<Outcome> => {
      if (asked++ === 0) await writeFile(join(directory, 'a.jpg'), picture('second'));
      return 'inferred';
    });
    await eventually(async () => (await readdir(directory)).length === 0);
    expect(sink.submitted.map(textOf)).toEqual(['first', 'second']);
  });

  test('an emptied folder is how it should be', async () => {
    const directory = await folders.make(pictures);
    const { sink } = started(directory, 'delete');
    await eventually(async () => (await readdir(directory)).length === 1);
    await writeFile(join(directory, 'later.jpg'), picture('later'));
    await eventually(() => sink.names.includes('later.jpg'));
    expect(sink.states.map(({ state }) => state)).toEqual(['starting', 'running']);
  });
});

describe('move', () => {
  test('takes what was inferred to a folder, and writes over nothing that lies there', async () => {
    const directory = await folders.make(pictures);
    const done = join(directory, 'done');
    started(directory, { move: done });
    await eventually(async () => (await readdir(directory)).length === 2);
    await writeFile(join(directory, 'a.jpg'), picture('another'));
    await eventually(async () => (await readdir(done)).includes('a-2.jpg'));
    expect((await readdir(done)).toSorted()).toEqual(['a-2.jpg', 'a.jpg', 'b.png', 'c.JPEG']);
    expect((await readFile(join(done, 'a.jpg'))).equals(picture('a'))).toBe(true);
  });

  test.skipIf(process.platform !== 'linux')('to another file system, too', async () => {
    const directory = await folders.make({ 'a.jpg': picture('a') });
    const elsewhere = join('/dev/shm', directory.split('/').at(-1)!);
    try {
      await mkdir(elsewhere);
      expect((await stat(elsewhere)).dev).not.toBe((await stat(directory)).dev);
      started(directory, { move: elsewhere });
      await eventually(async () => (await readdir(directory)).length === 0);
      expect(await readdir(elsewhere)).toEqual(['a.jpg']);
    } finally {
      await rm(elsewhere, { recursive: true, force: true });
    }
  });

  test('where that can not be done it is said, the picture stays, and is not inferred twice', async () => {
    const directory = await folders.make({ 'a.jpg': picture('a'), target: 'a file where a folder should be' });
    const { sink } = started(directory, { move: join(directory, 'target') });
    await eventually(() => sink.states.some(({ state }) => state === 'failed'));
    expect(sink.states.find(({ state }) => state === 'failed')!.reason).toMatch(/a\.jpg was inferred and can not be put away/);
    await writeFile(join(directory, 'b.jpg'), picture('b'));
    await eventually(() => sink.names.includes('b.jpg'));
    expect(sink.names.filter((name) => name === 'a.jpg')).toHaveLength(1);
  });
});

test('what a file holds is told by its bytes: a picture, features, a signal', async () => {
  const wav = Buffer.alloc(48);
  wav.write('RIFF', 0, 'latin1');
  wav.writeUInt32LE(40, 4);
  wav.write('WAVEfmt ', 8, 'latin1');
  // 16 bytes of format: PCM, one channel, 8000 samples a second, 16 bits.
  [16, 0, 1 | (1 << 16), 8000].forEach((value, n) => n !== 1 && wav.writeUInt32LE(value, n === 0 ? 16 : n === 2 ? 20 : 24));
  wav.writeUInt32LE(16_000, 28);
  wav.writeUInt32LE(2 | (16 << 16), 32);
  wav.write('data', 36, 'latin1');
  wav.writeUInt32LE(4, 40);
  wav.writeInt16LE(16_384, 44);
  const { sink } = started(await folders.make({ 'a.jpg': picture('a'), 'b.json': '{"speed": 3}', 'c.wav': wav }), 'keep');
  await eventually(() => sink.submitted.length === 3);
  expect(sink.submitted.map(({ payload }) => payload)).toEqual([
    { kind: 'encoded' },
    { kind: 'features' },
    { kind: 'signal', rate: 8000, channels: 1 },
  ]);
  expect(sink.samples).toEqual([0.5, 0]);
});

test('a file that is being written is not read before it is whole', async () => {
  const directory = await folders.make();
  const { sink } = started(directory, 'keep');
  const path = join(directory, 'slow.jpg');
  await writeFile(path, picture(''));
  for (let part = 0; part < 10; part++) {
    await appendFile(path, `${part}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  await eventually(() => sink.submitted.length > 0);
  expect(sink.submitted.map(textOf)).toEqual(['0123456789']);
});

test('a file from the future is whole when it stays as it is', async () => {
  const directory = await folders.make({ 'a.jpg': picture('a') });
  const tomorrow = new Date(Date.now() + 86_400_000);
  await utimes(join(directory, 'a.jpg'), tomorrow, tomorrow);
  const { sink } = started(directory, 'keep');
  await eventually(() => sink.submitted.length === 1);
});

test('what can not be read is told once and kept; when it changes it is read', async () => {
  const directory = await folders.make({ 'a.jpg': 'this is no picture', 'b.jpg': picture('b') });
  const { sink } = started(directory, 'delete');
  await eventually(() => sink.names.includes('b.jpg'));
  expect(sink.losses).toEqual([{ name: 'a.jpg', reason: expect.stringMatching(/a\.jpg can not be read: it is neither/) }]);
  await writeFile(join(directory, 'a.jpg'), picture('now it is one'));
  await eventually(() => sink.names.includes('a.jpg'));
  expect(sink.losses).toHaveLength(1);
});

test('a missing folder is waited for, and read when it comes; one that goes away is waited for again', async () => {
  const directory = await folders.make(pictures);
  await rename(directory, `${directory}-away`);
  const { sink } = started(directory, 'repeat');
  await eventually(() => sink.now?.state === 'waiting');
  expect(sink.now!.reason).toMatch(/ENOENT/);
  await rename(`${directory}-away`, directory);
  await eventually(() => sink.now?.state === 'running');
  await rename(directory, `${directory}-away`);
  await eventually(() => sink.now?.state === 'waiting');
  await rename(`${directory}-away`, directory);
});

test('an empty folder is waited for', async () => {
  const directory = await folders.make({ 'notes.txt': '' });
  const { sink } = started(directory, 'keep');
  await eventually(() => sink.now?.state === 'waiting');
  expect(sink.now!.reason).toMatch(/holds no picture/);
  await writeFile(join(directory, 'a.jpg'), picture('a'));
  await eventually(() => sink.submitted.length === 1);
  expect(sink.now).toEqual({ state: 'running' });
});

test('one at a time; stop waits for the one in flight, and none follows', async () => {
  let [inFlight, most] = [0, 0];
  const release = Promise.withResolvers<void>();
  const { sink, source } = started(await folders.make(pictures), 'repeat', async (): Promise<Outcome> => {
    most = Math.max(most, ++inFlight);
    await release.promise;
    inFlight -= 1;
    return 'inferred';
  });
  await eventually(() => sink.submitted.length === 1);
  const stopped = source.stop();
  release.resolve();
  await stopped;
  expect(most).toBe(1);
  expect(inFlight).toBe(0);
  expect(sink.submitted).toHaveLength(1);
});
