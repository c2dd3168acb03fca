import type { ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { DeploymentId, Digest } from '@flotilla/protocol/device';
import { afterEach, describe, expect, test } from 'vitest';
import { aLog, eventually } from '../fixtures/eventually.js';
import { follow } from '../fixtures/event-stream.js';
import { httpHandler } from './http.js';
import { Listener } from './listener.js';
import { PredictionStreams, streamLimits } from './prediction-stream.js';

const aPrediction = (seq: number, source = 'a.png') => ({
  id: `8f14e45f-0badcafe-${seq}`,
  at: '2026-11-22T10:00:00.000Z',
  seq,
  release: 'colours@1.0.0',
  digest: Digest.parse('a'.repeat(64)),
  deployment: DeploymentId.parse('8f14e45f-ceea-4e7a-9c3b-0d9c1f3a2b10'),
  source,
  top: [{ label: 'rot\nund grün', score: 0.9, index: 0 }],
  computeMs: 1,
  totalMs: 2,
});
const bigSource = 'x'.repeat(8000);

/** Streams behind a listener, whose responses can be looked at. */
async function streaming(limits: Partial<typeof streamLimits> = {}, patience?: ConstructorParameters<typeof Listener>[1]) {
  const streams = new PredictionStreams({ ...streamLimits, ...limits });
  const responses: ServerResponse[] = [];
  const routes = [{ method: 'GET' as const, path: '/', handle: () => streams.admit() }];
  const handler = httpHandler(routes, aLog());
  const listener = new Listener((request, response) => {
    responses.push(response);
    handler(request, response);
  }, patience);
  const port = (await listener.listen({ port: 0, host: '127.0.0.1' }))!;
  const url = `http://127.0.0.1:${port}/`;
  closers.push(async () => {
    streams.end();
    await listener.drain(0);
  });
  /** Asks, and then takes no byte more than the system's buffers do. */
  const stuck = async () => {
    const socket = connect(port, '127.0.0.1').pause();
    socket.on('error', () => undefined).write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    const before = streams.readers;
    await eventually(() => streams.readers > before);
    return socket;
  };
  /** Fills all buffers on the way to the first reader, the system's too. */
  const clog = async () => {
    for (let full = 0, seq = 0; full < 20; seq++) {
      streams.publish(aPrediction(seq, bigSource));
      const isFull = responses[0]!.writableLength >= streamLimits.bufferedBytes;
      if (isFull) await new Promise((resolve) => setTimeout(resolve, 1));
      full = isFull ? full + 1 : 0;
    }
  };
  return { streams, listener, responses, url, port, stuck, clog };
}
const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

describe('a reader', () => {
  test('gets each prediction once, in order, as one event', async () => {
    const { streams, url } = await streaming();
    const reader = await follow(url);
    expect(reader.response.headers.get('content-type')).toBe('text/event-stream');
    expect(reader.events).toEqual([{ retry: '2000' }]);
    for (let seq = 0; seq < 100; seq++) streams.publish(aPrediction(seq));
    await eventually(() => reader.predictions().length === 100);
    expect(reader.predictions().map(({ id }) => id)).toEqual(Array.from({ length: 100 }, (_, seq) => String(seq)));
    expect(JSON.parse(reader.predictions()[7]!.data!)).toEqual({ ...aPrediction(7), quality: 'good' });
  });

  test('hears a comment while nothing happens, and outlasts the patience with requests', async () => {
    const patience = { headersTimeout: 100, requestTimeout: 100, keepAliveTimeout: 100, connectionsCheckingInterval: 20 };
    const { streams, url } = await streaming({ keepAliveMs: 50 }, patience);
    const reader = await follow(url);
    await eventually(() => reader.comments.length >= 10);
    expect(new Set(reader.comments)).toEqual(new Set(['keep-alive']));
    streams.publish(aPrediction(1));
    await eventually(() => reader.predictions().length === 1);
  });

  test('that leaves gives its place back', async () => {
    const { streams, url, stuck } = await streaming({ readers: 1 });
    const socket = await stuck();
    expect((await fetch(url)).status).toBe(429);
    socket.destroy();
    await eventually(() => streams.readers === 0);
    await follow(url);
  });
});

describe('too many readers', () => {
  test('the 33rd is refused and told when to come again; the others go on', async () => {
    const { streams, url } = await streaming();
    const readers = await Promise.all(Array.from({ length: 32 }, () => follow(url)));
    const refused = await fetch(url);
    expect({ status: refused.status, after: refused.headers.get('retry-after'), body: await refused.json() }).toEqual({
      status: 429,
      after: '5',
      body: { error: '32 readers follow the predictions already; try again later' },
    });
    streams.publish(aPrediction(0));
    await eventually(() => readers.every((reader) => reader.predictions().length === 1));
  });

  test('no connection gets more places by asking for all at once, and none is lost with it', async () => {
    const { streams, port, responses } = await streaming({ readers: 4 });
    const socket = connect(port, '127.0.0.1').resume();
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(50));
    await eventually(() => responses.length > 0 && streams.readers > 0);
    expect(streams.readers).toBeLessThanOrEqual(4);
    socket.destroy();
    await eventually(() => streams.readers === 0);
    for (let place = 0; place < 4; place++) expect(streams.admit()).toBeTruthy();
    expect(() => streams.admit()).toThrow('4 readers follow the predictions already');
  });
});

describe('a slow reader', () => {
  test('loses events, hears how many, and holds up neither memory nor the others', async () => {
    const { streams, url, responses, stuck } = await streaming();
    const slow = await stuck();
    const fast = await follow(url);
    let most = 0;
    const total = 1000;
    for (let seq = 0; seq < total; seq++) {
      streams.publish(aPrediction(seq, bigSource));
      most = Math.max(most, responses[0]!.writableLength);
      if (seq % 4 === 3) await eventually(() => fast.predictions().length === seq + 1);
    }
    expect(fast.comments).toEqual([]);
    expect(most).toBeLessThan(streamLimits.bufferedBytes + 2 * bigSource.length);
    const lost = streams.dropped;
    expect(lost).toBeGreaterThan(0);

    let text = '';
    slow.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    slow.resume();
    await eventually(() => responses[0]!.writableLength === 0);
    streams.publish(aPrediction(total));
    await eventually(() => text.includes(`id: ${total}\n`));
    expect(text).toContain(`: dropped ${lost}\nid: ${total}\n`);
    expect(text.match(/^event: prediction$/gm)).toHaveLength(total - lost + 1);
    slow.destroy();
  });

  test('that takes nothing over three keep-alives loses its place', async () => {
    const { streams, stuck, clog } = await streaming({ keepAliveMs: 50 });
    await stuck();
    await clog();
    await eventually(() => streams.readers === 0);
  });
});

describe('the end', () => {
  test('sends readers on at once, and who comes late too', async () => {
    const { streams, url } = await streaming();
    const reader = await follow(url);
    streams.publish(aPrediction(5));
    streams.end();
    streams.publish(aPrediction(6));
    await reader.ended;
    const moved = { event: 'moved', retry: '100', data: expect.any(String) };
    expect(reader.events).toEqual([{ retry: '2000' }, expect.objectContaining({ id: '5' }), moved]);
    const late = await follow(url);
    await late.ended;
    expect(late.events).toEqual([{ retry: '2000' }, moved]);
    await eventually(() => streams.readers === 0);
  });

  test('does not wait for a reader that takes nothing', async () => {
    const { streams, listener, stuck, clog } = await streaming();
    await stuck();
    await clog();
    const started = performance.now();
    streams.end();
    await listener.drain(20_000);
    expect(performance.now() - started).toBeLessThan(15_000);
  });
});
