import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { Listener } from './listener.js';

const patience = { headersTimeout: 200, requestTimeout: 400, keepAliveTimeout: 5000, connectionsCheckingInterval: 50 };

test.each([
  ['headers', 'GET / HTTP/1.1\r\nHost: x\r\n'],
  ['its body', 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf'],
])('a client that never ends %s is answered with 408 and cut off', async (_what, half) => {
  const listener = new Listener((request, response) => request.resume().on('end', () => response.end()), patience);
  const port = await listener.listen({ port: 0, host: '127.0.0.1' });
  const socket = connect(port!, '127.0.0.1').setEncoding('utf8');
  socket.write(half);
  let text = '';
  for await (const chunk of socket) text += chunk as string;
  expect(text).toMatch(/^HTTP\/1.1 408 Request Timeout/);
  await listener.drain(0);
});

test('headers beyond their limit are a 431', async () => {
  const listener = new Listener((_request, response) => response.end());
  const port = await listener.listen({ port: 0, host: '127.0.0.1' });
  const socket = connect(port!, '127.0.0.1').setEncoding('utf8');
  socket.write(`GET / HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(100_000)}\r\n\r\n`);
  let text = '';
  for await (const chunk of socket) text += chunk as string;
  expect(text).toMatch(/^HTTP\/1.1 431 /);
  await listener.drain(0);
});
