import { once } from 'node:events';
import { appendFile, rename, writeFile } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { LinesSource } from '@flotilla/protocol/device';
import { afterEach, describe, expect, it } from 'vitest';
import { eventually } from '../../fixtures/eventually.js';
import { CollectingSink } from '../fixtures/collecting-sink.js';
import { Folders } from '../fixtures/folders.js';
import { LineStreamSource } from './lines.js';

const folders = new Folders();
const open: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).toReversed()) await close();
  await folders.clear();
});

function begin(config: object, sink = new CollectingSink()): CollectingSink {
  const source = new LineStreamSource(LinesSource.parse(config));
  open.push(() => source.stop());
  source.start(sink);
  return sink;
}
const isRunning = (sink: CollectingSink) => eventually(() => sink.now?.state === 'running');
const count = (sink: CollectingSink, n: number) => eventually(() => sink.all.length >= n);

describe('lines of a file', () => {
  const aFile = async (text: string) => join(await folders.make({ 'log.csv': text }), 'log.csv');

  it('are read from the start, then as they are written, half ones when they are whole', async () => {
    const file = await aFile('t,p\n1,2\n');
    const sink = begin({ lines: { file, from: 'start' } });
    await count(sink, 1);
    await appendFile(file, '3,');
    await appendFile(file, '4\n5,6\n');
    await count(sink, 3);
    expect(sink.features).toEqual([
      { t: 1, p: 2 },
      { t: 3, p: 4 },
      { t: 5, p: 6 },
    ]);
    expect(sink.submitted).toHaveLength(3);
    expect(sink.names[0]).toBe('log.csv');
  });

  it('are read from the end, with the names from the top and the last line whole', async () => {
    const file = await aFile('t,p\n1,2\n3,');
    const sink = begin({ lines: { file } });
    await isRunning(sink);
    await appendFile(file, '4\n');
    await count(sink, 1);
    expect(sink.features).toEqual([{ t: 3, p: 4 }]);
  });

  it('go on in the file that takes its place, and from the start of one that was truncated', async () => {
    const file = await aFile('t\n1\n');
    const sink = begin({ lines: { file, from: 'start' } });
    await count(sink, 1);
    await rename(file, `${file}.1`);
    await appendFile(`${file}.1`, '2\n');
    await count(sink, 2);
    await writeFile(file, 'humidity\n3\n');
    await count(sink, 3);
    // Cut and written anew in its place.
    await writeFile(file, 'y\n4\n');
    await count(sink, 4);
    expect(sink.features).toEqual([{ t: 1 }, { t: 2 }, { humidity: 3 }, { y: 4 }]);
  });

  it('are waited for where there is no file yet, and then all of them are new', async () => {
    const folder = await folders.make();
    const file = join(folder, 'later.csv');
    const sink = begin({ lines: { file } });
    await eventually(() => sink.now?.state === 'waiting');
    expect(sink.now?.reason).toBe(`${file} is not there`);
    await writeFile(file, 't\n1\n');
    await count(sink, 1);
    expect(sink.features).toEqual([{ t: 1 }]);
    expect(sink.now).toEqual({ state: 'running' });
  });

  it('are not to be had of a folder, and it says so', async () => {
    const sink = begin({ lines: { file: await folders.make() } });
    await eventually(() => sink.now?.state === 'failed');
    expect(sink.now?.reason).toContain('is no file');
  });

  it('wait for a busy runner: none is lost, and the order holds', async () => {
    const file = await aFile(`t\n${[1, 2, 3].join('\n')}\n`);
    let asked = 0;
    const taken: number[] = [];
    const sink = new CollectingSink(({ bytes }) => {
      if ((asked += 1) % 2 === 1) return 'busy';
      taken.push((JSON.parse(Buffer.from(bytes).toString()) as { t: number }).t);
      return 'inferred';
    });
    begin({ lines: { file, from: 'start' } }, sink);
    await eventually(() => taken.length === 3);
    expect(taken).toEqual([1, 2, 3]);
  });

  it('are counted and named where they are broken, and the next one says that something is missing', async () => {
    const file = await aFile(`t,p\n1,2\n3\n${'x'.repeat(300_000)}\n5,6\n7,8\n`);
    const sink = begin({ lines: { file, from: 'start' } });
    await count(sink, 3);
    expect(sink.losses).toEqual([
      { name: 'log.csv:3', reason: 'it has 1 fields, and there are 2 columns: "3"' },
      { name: 'log.csv:4', reason: 'it has 300000 bytes, more than a line may have' },
    ]);
    expect(sink.submitted.map(({ gap }) => gap)).toEqual([undefined, true, undefined]);
  });

  it('are samples of a signal, in chunks; a broken one costs its chunk', async () => {
    const file = await aFile('time,x,y\n0,1,2\n1,3,4\n2,5,6\n3,oops,8\n4,9,10\n5,11,12\n6,13,14\n');
    const sink = begin({ lines: { file, from: 'start' }, columns: [null, 'x', 'y'], as: { signal: { rate: 100, chunk: 2 } } });
    // The header has the names of its columns.
    await count(sink, 2);
    expect(sink.submitted).toMatchObject([
      { payload: { kind: 'signal', rate: 100, channels: 2 } },
      { payload: { kind: 'signal', rate: 100, channels: 2 }, gap: true },
    ]);
    expect(sink.submitted[0]).not.toHaveProperty('gap', true);
    expect(sink.samples).toEqual([1, 2, 3, 4, 9, 10, 11, 12]);
    expect(sink.losses).toMatchObject([{ name: 'log.csv:5', reason: expect.stringContaining('x is "oops"') as string }]);
  });
});

describe('lines of a TCP peer', () => {
  async function aPeer(port = 0) {
    const sockets = new Set<Socket>();
    const server: Server = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => {}).on('close', () => sockets.delete(socket));
    });
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    const close = async () => {
      sockets.forEach((socket) => socket.destroy());
      await new Promise((resolve) => server.close(resolve));
    };
    open.push(close);
    return { port: (server.address() as AddressInfo).port, close, socket: () => eventually(() => [...sockets][0]) };
  }

  it('are offered, and read again after the peer was away; the first one says that something may be missing', async () => {
    const peer = await aPeer();
    const sink = begin({ lines: { tcp: `127.0.0.1:${peer.port}` }, columns: ['t'] });
    await isRunning(sink);
    (await peer.socket()).write('1\n2');
    await count(sink, 1);
    await peer.close();
    await eventually(() => sink.now?.state === 'waiting');
    expect(sink.now?.reason).toMatch(/127\.0\.0\.1:\d+ /);
    const back = await aPeer(peer.port);
    (await back.socket()).write('t\n3\n4\n');
    await count(sink, 3);
    expect(sink.features).toEqual([{ t: 1 }, { t: 3 }, { t: 4 }]);
    expect(sink.offered.map(({ gap }) => gap)).toEqual([undefined, true, undefined]);
    expect(sink.now).toEqual({ state: 'running' });
  });

  it('do not fill the memory when they have no end, nor stop what comes after', async () => {
    const peer = await aPeer();
    const sink = begin({ lines: { tcp: `127.0.0.1:${peer.port}` }, format: 'json' });
    const socket = await peer.socket();
    for (let i = 0; i < 64; i += 1) if (!socket.write(Buffer.alloc(1024 * 1024, 0xf7))) await once(socket, 'drain');
    socket.write('\n{"t": 1}\n');
    await count(sink, 1);
    expect(sink.features).toEqual([{ t: 1 }]);
    expect(sink.losses).toHaveLength(1);
  });

  it('are let go of at once when it stops', async () => {
    const peer = await aPeer();
    const source = new LineStreamSource(LinesSource.parse({ lines: { tcp: `127.0.0.1:${peer.port}` }, format: 'json' }));
    const sink = new CollectingSink();
    source.start(sink);
    const socket = await peer.socket();
    const gone = once(socket, 'close');
    await source.stop();
    await gone;
    expect(sink.states.map(({ state }) => state)).not.toContain('failed');
  });
});
