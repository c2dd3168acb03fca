import { rename, rm, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { CollectingSink } from '@flotilla/agent/gateway/fixtures/collecting-sink';
import { Folders } from '@flotilla/agent/gateway/fixtures/folders';
import type { Captured, Outcome, Source } from '@flotilla/agent/gateway/source';
import { videoSource } from '@flotilla/agent/gateway/sources/video';
import { eventually } from '@flotilla/agent/fixtures/eventually';
import { VideoSource } from '@flotilla/protocol';
import { afterEach, expect, it } from 'vitest';
import { type Clip, makeClip } from '../support/clips.js';
import { ffmpegsReading } from '../support/processes.js';
import { describeWith } from '../support/required.js';

const folders = new Folders();
const running: Source[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((source) => source.stop()));
  await folders.clear();
});

const h264 = ['-c:v', 'libx264', '-pix_fmt', 'yuv420p', '-preset', 'ultrafast'];
async function aClip(clip: Partial<Clip> = {}): Promise<string> {
  return makeClip(await folders.make(), { file: 'clip.mp4', options: h264, ...clip });
}

function started(
  video: string,
  config: Omit<Partial<VideoSource>, 'video'> = {},
  sink = new CollectingSink(),
  ffmpeg?: string,
): CollectingSink {
  const source = videoSource(VideoSource.parse({ video, ...config }), { ffmpeg });
  running.push(source);
  source.start(sink);
  return sink;
}
const through = (sink: CollectingSink) =>
  eventually(() => sink.now?.state === 'waiting' && sink.now.reason?.includes('is through'));
const sizes = (frames: readonly Captured[]) => [
  ...new Set(frames.map(({ payload }) => 'width' in payload && `${payload.width}x${payload.height}`)),
];

describeWith('ffmpeg', 'a video file', () => {
  it('gives every frame once and in order, waiting for each, then says that it is through', async () => {
    let [inFlight, most] = [0, 0];
    const sink = new CollectingSink();
    sink.answer = async (): Promise<Outcome> => {
      most = Math.max(most, ++inFlight);
      await new Promise(setImmediate);
      inFlight -= 1;
      return 'inferred';
    };
    started(await aClip({ frames: 30 }), { pace: 'every' }, sink);
    await through(sink);
    expect(sink.submitted.map(({ name }) => name)).toEqual(Array.from({ length: 30 }, (_, n) => `clip.mp4#${n + 1}`));
    expect(sink.submitted[0]!.payload).toEqual({ kind: 'pixels', width: 64, height: 48, channels: 3 });
    expect(sink.submitted[0]!.bytes.byteLength).toBe(64 * 48 * 3);
    expect(most).toBe(1);
  });

  it('is read without a loss of any byte', async () => {
    const clip = await aClip({ file: 'clip.avi', frames: 2, options: ['-c:v', 'rawvideo', '-pix_fmt', 'bgr24'] });
    const sink = started(clip, { pace: 'every' });
    await through(sink);
    // ffmpeg's test picture begins with white, yellow and cyan bars at the top left.
    const [first, second] = sink.submitted;
    expect(Buffer.from(first!.bytes).equals(second!.bytes)).toBe(false);
    const colours = new Set(
      Array.from({ length: 64 }, (_, x) => Buffer.from(first!.bytes.subarray(3 * x, 3 * x + 3)).toString('hex')),
    );
    expect(colours).toContain('ff0000');
    expect(colours).toContain('00ff00');
    expect(colours).toContain('0000ff');
  });

  it('offers at its own speed, and goes round', async () => {
    const began = performance.now();
    const sink = started(await aClip({ frames: 10, perSecond: 20 }), { then: 'repeat' });
    await eventually(() => sink.offered.length >= 25);
    expect(performance.now() - began).toBeGreaterThan(900);
    expect(sink.offered[10]!.name).toBe('clip.mp4#1');
    expect(sink.submitted).toHaveLength(0);
  });

  it('is scaled and thinned as asked, and never doubled', async () => {
    const sink = started(await aClip({ frames: 50, perSecond: 25 }), { pace: 'every', width: 32, framesPerSecond: 10 });
    await through(sink);
    expect(sizes(sink.submitted)).toEqual(['32x24']);
    expect(sink.submitted).toHaveLength(20);
    const slow = started(await aClip({ frames: 10, perSecond: 5 }), { pace: 'every', framesPerSecond: 10 });
    await through(slow);
    expect(slow.submitted).toHaveLength(10);
  });

  it('keeps one size where it changes on the way', async () => {
    const folder = await folders.make();
    const part = (file: string, size: string) => makeClip(folder, { file, size, options: [...h264, '-bf', '0', '-f', 'mpegts'] });
    const [small, large] = [part('a.ts', '64x48'), part('b.ts', '128x64')];
    const both = join(folder, 'both.ts');
    const { appendFile, copyFile, readFile } = await import('node:fs/promises');
    await copyFile(small, both);
    await appendFile(both, await readFile(large));
    const sink = started(both, { pace: 'every' });
    await through(sink);
    expect(sizes(sink.submitted)).toEqual(['64x48']);
    expect(sink.submitted.length).toBeGreaterThan(15);
  });

  it('comes back to a frame that the runner was too busy for', async () => {
    let busy = 2;
    const sink = new CollectingSink();
    sink.answer = () => (busy-- > 0 ? 'busy' : 'inferred');
    started(await aClip({ frames: 3 }), { pace: 'every' }, sink);
    await through(sink);
    expect(sink.submitted.map(({ name }) => name?.slice(-1))).toEqual(['1', '1', '1', '2', '3']);
  });
});

describeWith('ffmpeg', 'a video file with a fault', () => {
  it('that is not there is waited for', async () => {
    const clip = await aClip({ frames: 5 });
    await rename(clip, `${clip}.away`);
    const sink = started(clip, { pace: 'every' });
    await eventually(() => sink.now?.state === 'waiting');
    expect(sink.now!.reason).toMatch(/clip\.mp4.*No such file/);
    await rename(`${clip}.away`, clip);
    await through(sink);
    expect(sink.submitted).toHaveLength(5);
  });

  it('that is no video is failed, until it is one', async () => {
    const folder = await folders.make({ 'clip.mp4': 'this is no video' });
    const sink = started(join(folder, 'clip.mp4'), { pace: 'every' });
    await eventually(() => sink.now?.state === 'failed');
    expect(sink.now!.reason).toMatch(/Invalid data/);
    makeClip(folder, { file: 'clip.mp4', frames: 4, options: h264 });
    await through(sink);
    expect(sink.submitted).toHaveLength(4);
  });

  it('that is cut off within a frame gives the whole ones', async () => {
    const clip = await aClip({ file: 'clip.avi', frames: 10, options: ['-c:v', 'rawvideo', '-pix_fmt', 'bgr24'] });
    await truncate(clip, Math.floor((await stat(clip)).size / 2));
    const sink = started(clip, { pace: 'every' });
    await eventually(() => sink.now?.state === 'waiting');
    expect(sink.submitted.length).toBeGreaterThanOrEqual(3);
    expect(sink.submitted.length).toBeLessThan(10);
    for (const { bytes } of sink.submitted) expect(bytes.byteLength).toBe(64 * 48 * 3);
  });

  it('loses nothing and doubles nothing when ffmpeg is killed on the way', async () => {
    const sink = new CollectingSink();
    const clip = await aClip({ size: '640x480', frames: 40 });
    sink.answer = () => {
      if (sink.submitted.length === 12) for (const pid of ffmpegsReading(clip)) process.kill(pid, 'SIGKILL');
      return 'inferred';
    };
    started(clip, { pace: 'every' }, sink);
    await through(sink);
    expect(sink.states).toContainEqual({ state: 'waiting', reason: expect.stringContaining('ended by SIGKILL') });
    expect(sink.submitted.map(({ name }) => name)).toEqual(Array.from({ length: 40 }, (_, n) => `clip.mp4#${n + 1}`));
  });

  it('says what to install where ffmpeg is missing', async () => {
    const sink = started(await aClip(), {}, new CollectingSink(), '/nowhere/ffmpeg');
    await eventually(() => sink.now?.state === 'failed');
    expect(sink.now!.reason).toBe('ffmpeg is not on this device: install it (Debian, Ubuntu: apt-get install ffmpeg)');
  });

  it('stops soon, with a runner that never answers, and leaves no process', async () => {
    const sink = new CollectingSink();
    sink.answer = () => new Promise(() => {});
    const clip = await aClip({ size: '640x480', frames: 100 });
    started(clip, { pace: 'every' }, sink);
    await eventually(() => sink.submitted.length === 1);
    const began = performance.now();
    await running.pop()!.stop();
    expect(performance.now() - began).toBeLessThan(5000);
    expect(ffmpegsReading(clip)).toEqual([]);
    await rm(clip);
  });
});
