import { createHash } from 'node:crypto';
import { Agent, type RequestOptions, request as httpsRequest } from 'node:https';
import { type Socket, connect as connectPlain } from 'node:net';
import { type TLSSocket, connect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type FleetCa, aClient, aFleetCa } from '../../fixtures/fleet-ca.js';
import type { Credentials } from '../../credentials.js';
import { eventually } from '../../fixtures/eventually.js';
import { Workshop } from '../fixtures/orders.js';
import { type Served, images, serve } from '../fixtures/served.js';
import { Security } from '../../http/security.js';

const workshop = new Workshop();
const token = 'correct-horse-battery';
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
let server: FleetCa;
let clients: FleetCa;
let mine: { cert: string; key: string };
let credentials: Credentials;
let security: Security;
let slot: Served;
let port: number;
beforeAll(async () => {
  [server, clients] = [await aFleetCa('server CA'), await aFleetCa('clients CA')];
  mine = await aClient(clients, 'hmi');
  credentials = {
    certificate: server.tls.cert,
    key: server.tls.key,
    clientCa: clients.ca.toString('pem'),
    tokens: [sha256('another-one'), sha256(token)],
  };
  security = new Security(credentials);
  slot = await serve(workshop, await workshop.smallRelease('colour'), {}, {}, { security });
  port = Number(new URL(slot.base).port);
});
afterAll(async () => {
  await slot.close();
  await workshop.clear();
});

type Answer = { status: number; body: { error?: string; status?: string; ready?: boolean }; challenge: string | undefined };
function ask(path: string, options: RequestOptions = {}, body?: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const where = { host: '127.0.0.1', port, path, ca: server.ca.toString('pem'), agent: false as const };
    const request = httpsRequest({ ...where, ...options }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      const { statusCode: status, headers } = response;
      response.on('end', () =>
        resolve({ status: status!, body: JSON.parse(text) as Answer['body'], challenge: headers['www-authenticate'] }),
      );
    });
    request.on('error', reject).end(body);
  });
}
const bearing = (text: string) => ({ headers: { authorization: `Bearer ${text}` } });

describe('a slot that is exposed', () => {
  test.each<[string, () => RequestOptions]>([
    ['a token', () => bearing(token)],
    ['a token, whose scheme is written otherwise', () => ({ headers: { authorization: `bearer  ${token}` } })],
    ['a client certificate', () => mine],
    ['both', () => ({ ...mine, ...bearing('wrong-but-there-is-a-certificate') })],
  ])('answers whoever shows %s', async (_what, options) => {
    expect(await ask('/readyz', options())).toMatchObject({ status: 200, body: { ready: true } });
    const infer = { method: 'POST', ...options() };
    expect((await ask('/v2/models/inspection/infer', infer, JSON.stringify({ inputs: [images()] }))).status).toBe(200);
  });

  const asks = `this slot asks for a token ("authorization: Bearer …") or a client certificate of this slot's CA`;
  test.each<[string, () => RequestOptions | Promise<RequestOptions>, string]>([
    ['nothing', () => ({}), asks],
    ['another token', () => bearing('wrong'), `the token is none of those that this slot takes; ${asks}`],
    ['the hash of a token', () => bearing(sha256(token)), `the token is none of those that this slot takes; ${asks}`],
    ['a password', () => ({ auth: `user:${token}` }), `the token is none of those that this slot takes; ${asks}`],
    [
      'a certificate of another CA',
      () => aClient(server, 'stranger'),
      `the client certificate is not taken (SELF_SIGNED_CERT_IN_CHAIN); ${asks}`,
    ],
    [
      'a certificate that has expired',
      () => aClient(clients, 'late', -500),
      `the client certificate is not taken (CERT_HAS_EXPIRED); ${asks}`,
    ],
  ])('refuses whoever shows %s, in a sentence', async (_what, options, error) => {
    for (const path of ['/readyz', '/metrics', '/openapi.json', '/v2', '/nowhere'])
      expect(await ask(path, await options())).toEqual({ status: 401, body: { error }, challenge: 'Bearer realm="flotilla"' });
  });

  test('says to anybody that it lives, and no more', async () => {
    expect(await ask('/healthz')).toMatchObject({ status: 200, body: { status: 'ok' } });
    expect(Object.keys((await ask('/healthz')).body)).toEqual(['status']);
    expect(Object.keys((await ask('/healthz', bearing(token))).body)).toContain('release');
  });

  test('takes no resumed session for a certificate', async () => {
    const where = { host: '127.0.0.1', port, ca: server.ca.toString('pem') };
    const first = connect(where);
    const session = await new Promise<Buffer>((resolve) => {
      first.once('session', resolve).write('GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n');
    });
    first.destroy();
    const second = connect({ ...where, session });
    const answered = new Promise<string>((resolve) => second.once('data', (data: Buffer) => resolve(data.toString())));
    second.write('GET /readyz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n');
    expect(await answered).toMatch(/^HTTP\/1.1 401 /);
    expect(second.isSessionReused()).toBe(true);
    second.destroy();
  });

  test('closes on whoever speaks no TLS, and goes on', async () => {
    const socket = connectPlain(port, '127.0.0.1');
    socket.write('GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n');
    await new Promise((resolve) =>
      socket
        .resume()
        .on('error', () => undefined)
        .once('close', resolve),
    );
    expect((await ask('/readyz', mine)).status).toBe(200);
  });
});

test('new credentials hold for what comes: the certificate at the next connection, tokens at the next request', async () => {
  const renewed = await aFleetCa('renewed CA');
  const own = new Security(credentials);
  const exposed = await serve(workshop, await workshop.smallRelease('colour'), {}, {}, { security: own });
  const at = { port: Number(new URL(exposed.base).port) };
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  expect((await ask('/readyz', { ...at, ...bearing(token), agent })).status).toBe(200);
  own.renew({ ...credentials, certificate: renewed.tls.cert, key: renewed.tls.key, tokens: [sha256('the-new-token')] });
  expect((await ask('/readyz', { ...at, ...bearing(token), agent })).status).toBe(401);
  const trusting = { ca: renewed.ca.toString('pem') };
  expect((await ask('/readyz', { ...at, ...trusting, ...bearing('the-new-token') })).status).toBe(200);
  await expect(ask('/readyz', { ...at, ...bearing('the-new-token') })).rejects.toThrow(/certificate/);
  agent.destroy();
  await exposed.close();
});

test('a drain lets idle connections go, handshakes that never begin too, and answers a request that is half sent', async () => {
  const exposed = await serve(workshop, await workshop.smallRelease('colour'), {}, {}, { security: new Security(credentials) });
  const at = { host: '127.0.0.1', port: Number(new URL(exposed.base).port), ca: server.ca.toString('pem') };
  const mute = connectPlain(at.port, at.host);
  const [idle, busy] = [connect(at), connect(at)].map((socket) => {
    const client: Client = { socket, heard: '' };
    socket.setEncoding('utf8').on('data', (text: string) => (client.heard += text));
    socket.write('GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n');
    return client;
  }) as [Client, Client];
  await eventually(() => idle.heard.includes('ok') && busy.heard.includes('ok'));
  busy.heard = '';
  busy.socket.write('GET /healthz HTTP/1.1\r\n');
  const [idleClosed, muteClosed, busyClosed] = [idle.socket, mute, busy.socket].map(closing);
  const drained = exposed.serving.drain(20_000);
  await Promise.all([idleClosed, muteClosed]);
  busy.socket.write('host: x\r\n\r\n');
  await busyClosed;
  expect(busy.heard).toMatch(/^HTTP\/1.1 200 OK[^]*"status":"ok"/);
  expect(await drained).toBe(true);
  await exposed.engine.close();
});

type Client = { socket: TLSSocket; heard: string };
const closing = (socket: Socket) =>
  new Promise((resolve) =>
    socket
      .resume()
      .on('error', () => undefined)
      .once('close', resolve),
  );
