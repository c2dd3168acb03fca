import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { VideoSource } from '@flotilla/protocol/device';
import { afterEach, expect, test } from 'vitest';
import { eventually } from '../../fixtures/eventually.js';
import { CollectingSink } from '../fixtures/collecting-sink.js';
import { Folders } from '../fixtures/folders.js';
import type { Source } from '../source.js';
import { videoSource } from './video.js';

const folders = new Folders();
const running: Source[] = [];
const servers: Server[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((source) => source.stop()));
  for (const server of servers.splice(0)) server.closeAllConnections();
  await folders.clear();
});

/** The least that is a JPEG by its markers, told from others by a comment. */
const jpeg = (n: number) => Buffer.from([0xff, 0xd8, 0xff, 0xfe, 0, 3, n, 0xff, 0xda, 0, 2, 1, 2, 0xff, 0xd9]);
const numberOf = ({ bytes }: { bytes: Uint8Array }) => bytes[6];

function started(config: { video: string } & Partial<Omit<VideoSource, 'video'>>) {
  const sink = new CollectingSink();
  const source = videoSource(VideoSource.parse(config));
  running.push(source);
  source.start(sink);
  return sink;
}

async function aCamera(
  serve: (response: ServerResponse, turn: number, authorization: string | undefined) => void,
): Promise<string> {
  let turn = 0;
  const server = createServer((request, response) => serve(response, (turn += 1), request.headers.authorization));
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  server.unref();
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/video`;
}
const multipart = { 'content-type': 'multipart/x-mixed-replace; boundary=frame' };
const part = (n: number) =>
  Buffer.concat([Buffer.from('--frame\r\ncontent-type: image/jpeg\r\n\r\n'), jpeg(n), Buffer.from('\r\n')]);

test('a file of JPEGs: each once, waited for, then it is through', async () => {
  const folder = await folders.make({ 'clip.mjpeg': Buffer.concat([1, 2, 3].map(jpeg)) });
  const sink = started({ video: join(folder, 'clip.mjpeg'), pace: 'every' });
  await eventually(() => sink.now?.reason?.includes('is through'));
  expect(sink.submitted.map(numberOf)).toEqual([1, 2, 3]);
  expect(sink.names).toEqual(['clip.mjpeg#1', 'clip.mjpeg#2', 'clip.mjpeg#3']);
});

test('a camera that sends JPEG after JPEG is reached again when it ends, and the first frame then says that something is missing', async () => {
  const url = await aCamera((response, turn) => {
    response.writeHead(200, multipart);
    response.end(Buffer.concat([part(2 * turn), part(2 * turn + 1)]));
  });
  const sink = started({ video: url });
  await eventually(() => sink.offered.length >= 4);
  expect(sink.offered.slice(0, 4).map(numberOf)).toEqual([2, 3, 4, 5]);
  expect(sink.offered.slice(0, 4).map(({ gap }) => gap)).toEqual([undefined, undefined, true, undefined]);
  expect(sink.states).toContainEqual({ state: 'waiting', reason: `${url} ended its stream; it is being reached again` });
});

test('one that falls silent is given up and reached again', async () => {
  const url = await aCamera((response, turn) => {
    response.writeHead(200, multipart);
    response.write(part(turn));
  });
  const sink = started({ video: url, stallS: 1 });
  await eventually(() => sink.offered.length >= 2);
  expect(sink.states).toContainEqual({ state: 'waiting', reason: `${url} gave nothing for 1 s; it is being reached again` });
});

test('name and password are sent, and are in no reason', async () => {
  const folder = await folders.make({ secret: 'pass word\n' });
  let asked: string | undefined;
  const url = await aCamera((response, _, authorization) => {
    asked = authorization;
    response.writeHead(200, multipart).end(part(1));
  });
  const sink = started({ video: url, username: 'me', passwordFile: join(folder, 'secret') });
  await eventually(() => sink.offered.length >= 1 && sink.now?.state === 'waiting');
  expect(asked).toBe(`Basic ${Buffer.from('me:pass word').toString('base64')}`);
  expect(JSON.stringify(sink.states)).not.toMatch(/pass/);
});
