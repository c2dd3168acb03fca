import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { eventually } from '@flotilla/agent/fixtures/eventually';
import { CollectingSink } from '@flotilla/agent/gateway/fixtures/collecting-sink';
import { Folders } from '@flotilla/agent/gateway/fixtures/folders';
import type { Source } from '@flotilla/agent/gateway/source';
import { videoSource } from '@flotilla/agent/gateway/sources/video';
import { VideoSource } from '@flotilla/protocol';
import { afterEach, expect, it, vi } from 'vitest';
import { makeClip, pixelAt } from '../support/clips.js';
import { describeWith } from '../support/required.js';
import { RtspServer } from '../support/rtsp-server.js';

vi.setConfig({ testTimeout: 120_000 });
const folders = new Folders();
const running: Source[] = [];
const servers: RtspServer[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((source) => source.stop()));
  await Promise.all(servers.splice(0).map((server) => server.kill()));
  await folders.clear();
});

/** A minute of it: no test sees its end. */
async function aServer(...credentials: [user: string, password: string] | []): Promise<RtspServer> {
  const options = ['-c:v', 'libx264', '-pix_fmt', 'yuv420p', '-preset', 'ultrafast', '-bf', '0'];
  const server = new RtspServer(makeClip(await folders.make(), { file: 'camera.mp4', frames: 1500, options }), credentials);
  servers.push(server);
  return server;
}

function started(config: object): CollectingSink {
  const sink = new CollectingSink();
  const source = videoSource(VideoSource.parse(config));
  running.push(source);
  source.start(sink);
  return sink;
}
const sees = (sink: CollectingSink, count: number) => eventually(() => sink.offered.length >= count, 30_000);

describeWith('gst-rtsp-server', 'a network camera', () => {
  it.each(['tcp', 'udp'])('is read by RTSP over %s', async (transport) => {
    const server = await aServer();
    const sink = started({ video: await server.start(), transport });
    await sees(sink, 10);
    const { payload, bytes } = sink.offered[0]!;
    expect(payload).toEqual({ kind: 'pixels', width: 64, height: 48, channels: 3 });
    // The test picture's fifth bar is green, whatever the codec makes of its shade.
    const [red, green, blue] = pixelAt({ width: 64, pixels: bytes }, 44, 10);
    expect(green! - Math.max(red!, blue!)).toBeGreaterThan(60);
  });

  it('that loses its power is reached again when it is back, and the first picture says that something is missing', async () => {
    const server = await aServer();
    const video = await server.start();
    const sink = started({ video });
    await sees(sink, 5);
    await server.kill();
    await eventually(() => sink.now?.state === 'waiting', 30_000);
    await eventually(() => /Connection refused/.test(sink.now?.reason ?? ''), 30_000);
    const before = sink.offered.length;
    await server.start();
    await sees(sink, before + 5);
    expect(sink.now).toEqual({ state: 'running' });
    expect(sink.offered.map(({ gap }) => gap === true).indexOf(true)).toBe(before);
  });

  it('that wants a password is failed without the right one, and seen as soon as it is there', async () => {
    const server = await aServer('viewer', 'one secret');
    const passwordFile = join(await folders.make(), 'password');
    await writeFile(passwordFile, 'a wrong one\n');
    const video = await server.start();
    const sink = started({ video, username: 'viewer', passwordFile });
    await eventually(() => sink.now?.state === 'failed', 30_000);
    expect(sink.now!.reason).toBe(`${video}: Server returned 401 Unauthorized (authorization failed) (ffmpeg ended with 1)`);
    await writeFile(passwordFile, 'one secret\n');
    await sees(sink, 5);
    expect(sink.states.map(({ reason }) => reason ?? '').join()).not.toMatch(/secret|a wrong one/);
  });
});
