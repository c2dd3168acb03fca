import { appendFile, readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { RecordingSource } from '@flotilla/protocol/device';
import { afterEach, expect, test } from 'vitest';
import { eventually } from '../../fixtures/eventually.js';
import { CollectingSink } from '../fixtures/collecting-sink.js';
import { Folders } from '../fixtures/folders.js';
import type { Captured, Outcome, Source } from '../source.js';
import { submitUntilTaken } from './persistent.js';
import { Recorder, recording } from './recorder.js';
import { recordingSource } from './recording.js';

const folders = new Folders();
const running: Source[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((source) => source.stop()));
  await folders.clear();
});

const second = (n: number) => Date.parse('2026-03-01T12:00:00.000Z') + 1000 * n;
const jpeg = Buffer.of(0xff, 0xd8, 0xff, 0xd9);
/** One of each kind, a second between them. */
const frames: Captured[] = [
  { payload: { kind: 'encoded' }, bytes: jpeg, capturedAt: second(0), name: 'a.jpg' },
  { payload: { kind: 'pixels', width: 2, height: 1, channels: 3 }, bytes: Buffer.from('rgbRGB'), capturedAt: second(1) },
  {
    payload: { kind: 'signal', rate: 8000, channels: 1 },
    bytes: Buffer.from(new Float32Array([0.5, -1]).buffer),
    capturedAt: second(2),
    gap: true,
  },
  { payload: { kind: 'features' }, bytes: Buffer.from('{"speed":3}'), capturedAt: second(3) },
];

/** Into a folder, one after the other. */
async function recorded(
  folder: string,
  captured: readonly Captured[],
  { maxMb = 10, maxHours }: { maxMb?: number; maxHours?: number } = {},
) {
  const troubles: string[] = [];
  const recorder = new Recorder({ folder, maxMb, maxHours }, (reason) => void troubles.push(reason));
  for (const one of captured) {
    recorder.record(one);
    await recorder.close();
  }
  return { recorder, troubles };
}

function replayed(folder: string, config: Omit<Partial<RecordingSource>, 'recording'> = {}) {
  const sink = new CollectingSink();
  const source = recordingSource(RecordingSource.parse({ recording: folder, ...config }));
  running.push(source);
  source.start(sink);
  return sink;
}
const through = (sink: CollectingSink) => eventually(() => sink.now?.reason?.includes('is through'));

test('what was recorded comes again, byte by byte, in its order, under the times at which it was taken', async () => {
  const folder = await folders.make();
  await recorded(folder, frames);
  const sink = replayed(folder, { pace: 'every' });
  await through(sink);
  expect(sink.submitted.map(({ payload }) => payload)).toEqual(frames.map(({ payload }) => payload));
  expect(sink.submitted.map(({ bytes }) => Buffer.from(bytes))).toEqual(frames.map(({ bytes }) => Buffer.from(bytes)));
  expect(sink.names).toEqual(frames.map(({ capturedAt }) => new Date(capturedAt).toISOString()));
  expect(sink.submitted.map(({ gap }) => gap)).toEqual([undefined, undefined, true, undefined]);
  expect((await readdir(folder)).toSorted()).toEqual([
    '00000001.jpg',
    '00000002.ppm',
    '00000003.f32',
    '00000004.json',
    'index.jsonl',
  ]);
});

test('it keeps its own pace, times the speed, and goes round', async () => {
  const folder = await folders.make();
  await recorded(folder, frames);
  const began = performance.now();
  const sink = replayed(folder, { speed: 10, then: 'repeat' });
  await eventually(() => sink.offered.length >= 5);
  expect(performance.now() - began).toBeGreaterThan(290);
  expect(sink.offered[4]).toMatchObject({ name: sink.offered[0]!.name, gap: true });
});

test('a recorder passes everything on', async () => {
  const sink = new CollectingSink(() => 'refused');
  const folder = await folders.make();
  const recorder = new Recorder({ folder, maxMb: 1 }, () => {});
  const both = recording(sink, recorder);
  both.offer(frames[0]!);
  expect(await both.submit(frames[1]!)).toBe('refused');
  both.state({ state: 'running' });
  both.lost({ reason: 'a line' });
  await recorder.close();
  expect(sink).toMatchObject({
    offered: [frames[0]],
    submitted: [frames[1]],
    losses: [{ reason: 'a line' }],
    now: { state: 'running' },
  });
  expect(await readdir(folder)).toHaveLength(3);
});

test('a frame that nothing took in time, and that is submitted again, is recorded once', async () => {
  const outcomes: Outcome[] = ['busy', 'busy', 'inferred'];
  const sink = new CollectingSink(() => outcomes[sink.submitted.length - 1]!);
  const folder = await folders.make();
  const recorder = new Recorder({ folder, maxMb: 1 }, () => {});
  const both = recording(sink, recorder);
  await submitUntilTaken(both, frames[0]!, new AbortController().signal);
  await recorder.close();
  expect((await readdir(folder)).toSorted()).toEqual(['00000001.jpg', 'index.jsonl']);
});

test('of more than it may keep the newest stay, by bytes and by age, and the index does not grow for ever', async () => {
  const folder = await folders.make();
  const many = Array.from({ length: 1300 }, (_, n) => ({
    ...frames[0]!,
    bytes: Buffer.alloc(1024, 0xff),
    capturedAt: second(n),
  }));
  await recorded(folder, many, { maxMb: 10 / 1024 });
  expect((await readdir(folder)).filter((name) => name.endsWith('.jpg'))).toHaveLength(10);
  expect((await readFile(join(folder, 'index.jsonl'), 'utf8')).split('\n').length).toBeLessThan(400);
  const sink = replayed(folder, { pace: 'every' });
  await through(sink);
  expect(sink.names).toEqual(many.slice(-10).map(({ capturedAt }) => new Date(capturedAt).toISOString()));

  const young = await folders.make();
  await recorded(young, frames, { maxHours: 1.5 / 3600 });
  expect((await readdir(young)).toSorted()).toEqual(['00000003.f32', '00000004.json', 'index.jsonl']);
});

test('after a power cut it goes on with the next number, past half a line and half a file', async () => {
  const folder = await folders.make();
  await recorded(folder, frames.slice(0, 2));
  await truncate(join(folder, '00000002.ppm'), 12);
  await appendFile(join(folder, 'index.jsonl'), '{"file":"00000003.jp');
  await recorded(folder, frames.slice(2));
  const sink = replayed(folder, { pace: 'every' });
  await through(sink);
  expect(sink.submitted.map(({ payload }) => payload.kind)).toEqual(['encoded', 'signal', 'features']);
  expect(sink.losses).toEqual([{ name: '00000002.ppm', reason: expect.stringContaining('is cut off') }]);
});

test('a disk that does not take it is told once, and the source goes on', async () => {
  const folder = await folders.make({ file: '' });
  const { troubles } = await recorded(join(folder, 'file', 'below'), frames);
  expect(troubles).toEqual([expect.stringMatching(/^the recording in .*below can not go on: ENOTDIR: not a directory$/)]);
});

test('what the disk has no time for is dropped and counted', async () => {
  const recorder = new Recorder({ folder: await folders.make(), maxMb: 1 }, () => {});
  for (let n = 0; n < 10; n++) recorder.record(frames[0]!);
  expect(recorder.dropped).toBe(6);
  await recorder.close();
});

test('a recording that is not there yet is waited for', async () => {
  const folder = await folders.make();
  const sink = replayed(folder, { pace: 'every' });
  await eventually(() => sink.now?.state === 'waiting');
  expect(sink.now!.reason).toMatch(/holds no recording yet/);
  await writeFile(join(folder, '00000001.json'), '{}');
  await writeFile(
    join(folder, 'index.jsonl'),
    '{"file":"00000001.json","capturedAt":"2026-03-01T12:00:00.000Z","payload":{"kind":"features"}}\n',
  );
  await through(sink);
  expect(sink.submitted).toHaveLength(1);
});
