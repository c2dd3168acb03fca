import type { RequestListener } from 'node:http';
import { type Socket, connect } from 'node:net';
import { describe, expect, test } from 'vitest';
import { eventually } from '../fixtures/eventually.js';
import { Listener } from './listener.js';

const patience = { headersTimeout: 200, requestTimeout: 400, keepAliveTimeout: 5000, connectionsCheckingInterval: 50 };
const echo: RequestListener = (request, response) => request.resume().on('end', () => response.end('heard'));

async function listening(handler: RequestListener, limits?: typeof patience) {
  const listener = new Listener(handler, limits);
  const port = await listener.listen({ port: 0, host: '127.0.0.1' });
  return { listener, client: () => connect(port!, '127.0.0.1').setEncoding('utf8') };
}
async function all(socket: Socket): Promise<string> {
  let text = '';
  for await (const chunk of socket) text += chunk as string;
  return text;
}

describe('a client', () => {
  test.each([
    ['headers', 'GET / HTTP/1.1\r\nHost: x\r\n'],
    ['its body', 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf'],
  ])('that never ends %s is answered with 408 and cut off', async (_what, half) => {
    const { listener, client } = await listening(echo, patience);
    const socket = client();
    socket.write(half);
    expect(await all(socket)).toMatch(/^HTTP\/1.1 408 Request Timeout/);
    await listener.drain(0);
  });

  test('whose headers are beyond all bounds gets a 431', async () => {
    const { listener, client } = await listening(echo);
    const socket = client();
    socket.write(`GET / HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(100_000)}\r\n\r\n`);
    expect(await all(socket)).toMatch(/^HTTP\/1.1 431 /);
    await listener.drain(0);
  });
});

describe('draining', () => {
  test('an answer that was under way says that it is the last', async () => {
    let answer: (() => void) | undefined;
    const { listener, client } = await listening((_request, response) => (answer = () => response.end('late')));
    const socket = client();
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await eventually(() => answer);
    const drained = listener.drain(20_000);
    answer!();
    expect(await all(socket)).toMatch(/^HTTP\/1.1 200 OK\r\nconnection: close\r\n[^]*late/i);
    await drained;
  });

  test('a request that is half sent when the grace ends is still answered', async () => {
    const { listener, client } = await listening(echo);
    const [busy, idle] = [client(), client()];
    // Answered once, a connection is surely accepted.
    await Promise.all(
      [busy, idle].map((socket) => {
        socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
        return new Promise((resolve) => socket.once('data', resolve));
      }),
    );
    busy.write('GET / HTTP/1.1\r\nHost: x\r\n');
    const drained = listener.drain(20_000);
    expect(await all(idle)).toBe('');
    busy.write('\r\n');
    expect(await all(busy)).toMatch(/^HTTP\/1.1 200 OK/);
    await drained;
  });
});
