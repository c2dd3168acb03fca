import { once } from 'node:events';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Body, readAligned } from './body.js';

const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, i) => i % 251));
const head = 77;
let read: PromiseWithResolvers<Body>;
const server = createServer((incoming, response) => {
  readAligned(incoming, head).then(read.resolve, read.reject);
  void read.promise.finally(() => response.end()).catch(() => undefined);
});

beforeEach(async () => {
  read = Promise.withResolvers();
  await once(server.listen(0, '127.0.0.1'), 'listening');
});
afterEach(async () => {
  server.closeAllConnections();
  await once(server.close(), 'close');
});

const post = (headers: Record<string, string | number>) =>
  request({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', method: 'POST', headers });

test('a body of known length lies alone in its buffer, what follows its head aligned for any number', async () => {
  post({ 'content-length': bytes.length }).end(bytes);
  const body = await read.promise;
  expect(body.ours).toBe(true);
  expect(body.bytes.equals(bytes)).toBe(true);
  expect((body.bytes.byteOffset + head) % 64).toBe(0);
});

test.each([
  ['of unknown length', { 'transfer-encoding': 'chunked' }, bytes],
  ['that is compressed', { 'content-encoding': 'gzip' }, gzipSync(bytes)],
])('a body %s comes whole, and shares its buffer', async (_name, headers, sent) => {
  post(headers).end(sent);
  const body = await read.promise;
  expect(body.ours).toBe(false);
  expect(body.bytes.equals(bytes)).toBe(true);
});

test('a client that goes away within its body is an error', async () => {
  const client = post({ 'content-length': bytes.length });
  client.on('error', () => undefined);
  client.write(bytes.subarray(0, 1000), () => client.destroy());
  await expect(read.promise).rejects.toMatchObject({ code: 'ECONNRESET' });
});
