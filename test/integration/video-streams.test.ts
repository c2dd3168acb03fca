import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { eventually } from '@flotilla/agent/fixtures/eventually';
import { CollectingSink } from '@flotilla/agent/gateway/fixtures/collecting-sink';
import { Folders } from '@flotilla/agent/gateway/fixtures/folders';
import type { Captured, Source } from '@flotilla/agent/gateway/source';
import { cameraSource } from '@flotilla/agent/gateway/sources/camera';
import { videoSource } from '@flotilla/agent/gateway/sources/video';
import { CameraSource, VideoSource } from '@flotilla/protocol';
import { afterEach, expect, it } from 'vitest';
import { makeClip } from '../support/clips.js';
import { ffmpegsReading } from '../support/processes.js';
import { describeWith } from '../support/required.js';

const folders = new Folders();
const running: Source[] = [];
const servers: { server: Server; sockets: Set<Socket> }[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((source) => source.stop()));
  for (const { server, sockets } of servers.splice(0)) {
    for (const socket of sockets) socket.destroy();
    server.close();
  }
  await folders.clear();
});

/** MPEG-TS, as many cameras and encoders send it over TCP. */
async function aStream(size: string): Promise<Buffer> {
  const options = ['-c:v', 'libx264', '-pix_fmt', 'yuv420p', '-preset', 'ultrafast', '-bf', '0', '-f', 'mpegts'];
  return readFile(makeClip(await folders.make(), { file: 'stream.ts', size, frames: 100, options }));
}

/** What each connection is sent, counted from 1. */
async function aPeer(serve: (socket: Socket, turn: number) => void): Promise<string> {
  let turn = 0;
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => {}));
    serve(socket, (turn += 1));
  });
  servers.push({ server, sockets });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function started(source: Source): CollectingSink {
  const sink = new CollectingSink();
  running.push(source);
  source.start(sink);
  return sink;
}
const stream = (video: string, stallS = 10) => started(videoSource(VideoSource.parse({ video, stallS })));
const sizeOf = ({ payload }: Captured) => (payload.kind === 'pixels' ? `${payload.width}x${payload.height}` : payload.kind);

describeWith('ffmpeg', 'a stream', () => {
  it('that ends is reached again, for ever, and says that something is missing', async () => {
    const bytes = await aStream('64x48');
    const sink = stream(await aPeer((socket) => socket.end(bytes)));
    await eventually(() => sink.offered.filter(({ gap }) => gap).length >= 2);
    expect(sink.offered[0]!.gap).toBeUndefined();
    expect(new Set(sink.offered.map(sizeOf))).toEqual(new Set(['64x48']));
  });

  it('that is silent is given up and reached again', async () => {
    const bytes = await aStream('64x48');
    const url = await aPeer((socket, turn) => void (turn > 1 && socket.end(bytes)));
    const sink = stream(url, 1);
    await eventually(() => sink.offered.length > 0);
    expect(sink.states).toContainEqual({ state: 'waiting', reason: `${url} gave nothing for 1 s; it is being reached again` });
  });

  it('whose pictures change their size comes in the new one, never stretched to the old', async () => {
    const [small, large] = [await aStream('64x48'), await aStream('128x64')];
    const url = await aPeer((socket, turn) => void socket.end(turn === 1 ? Buffer.concat([small, large]) : large));
    const sink = stream(url);
    await eventually(() => sink.offered.some((captured) => sizeOf(captured) === '128x64'));
    expect(new Set(sink.offered.map(sizeOf))).toEqual(new Set(['64x48', '128x64']));
  });

  it('does not outlive a gateway that is killed, though nothing comes and nothing is written', async () => {
    const connected = Promise.withResolvers<void>();
    const url = await aPeer(() => connected.resolve());
    const built = fileURLToPath(new URL('../../agent/dist/gateway/sources/ffmpeg.js', import.meta.url));
    const code = `const { FfmpegChild } = await import(${JSON.stringify(built)}); new FfmpegChild(['-i', '${url}', '-f', 'null', '-']);`;
    const gateway = spawn(process.execPath, ['--input-type=module', '-e', code]);
    await connected.promise;
    expect(ffmpegsReading(url)).toHaveLength(1);
    gateway.kill('SIGKILL');
    await eventually(() => ffmpegsReading(url).length === 0);
  });
});

describeWith('ffmpeg', 'a camera', () => {
  it('that is not plugged in is waited for', async () => {
    const sink = started(cameraSource(CameraSource.parse({ camera: '/dev/video-nowhere' })));
    await eventually(() => sink.now?.state === 'waiting');
    expect(sink.now!.reason).toMatch(/^the camera \/dev\/video-nowhere: .*No such file or directory/);
  });
});
