import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import { deflateSync, gunzipSync, gzipSync, inflateSync } from 'node:zlib';
import { type Check, hold, skip } from '../check.js';
import { type RestContext, answered, holdSame } from './context.js';

const patienceMs = 10_000;

/** Two requests over one connection of an agent; true when the second used the first one's socket. */
async function reuses(base: string): Promise<boolean> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const once = () =>
    new Promise<boolean>((resolve, reject) => {
      const sending = request(`${base}/v2`, { agent }, (response) => {
        response
          .resume()
          .on('end', () => resolve(sending.reusedSocket))
          .on('error', reject);
      });
      sending.on('error', reject).end();
    });
  try {
    await once();
    return await once();
  } finally {
    agent.destroy();
  }
}

/** What a connection answers to requests sent at once, until it has answered `marks` or falls silent. */
function pipelined(base: string, text: string, complete: (came: string) => boolean): Promise<string> {
  const { hostname, port } = new URL(base);
  return new Promise((resolve, reject) => {
    let came = '';
    const socket = connect(Number(port || 80), hostname.replace(/^\[|\]$/g, ''), () => socket.write(text));
    const end = () => {
      socket.destroy();
      resolve(came);
    };
    socket.setTimeout(patienceMs, end);
    socket.on('data', (chunk: Buffer) => {
      came += chunk.toString('latin1');
      if (complete(came)) end();
    });
    socket.on('end', end).on('error', reject);
  });
}

const coded = (name: 'gzip' | 'deflate', encode: (body: Buffer) => Buffer): Check<RestContext> => ({
  id: `rest.transport.request-${name}`,
  level: 'MAY',
  clause: `a request compressed with ${name} is understood, or refused as such`,
  run: async (context) => {
    const body = context.body();
    const came = await context.post(encode(Buffer.from(JSON.stringify(body))), { 'content-encoding': name });
    if (came.status >= 400 && came.status < 500) skip(`the server refuses content-encoding ${name} with ${came.status}`);
    const answer = answered(came);
    holdSame(await context.infer(body), answer, `plain, then ${name}`);
  },
});

const accepted = (name: 'gzip' | 'deflate', decode: (body: Buffer) => Buffer): Check<RestContext> => ({
  id: `rest.transport.response-${name}`,
  level: 'MUST',
  clause: `an answer to Accept-Encoding: ${name} is plain, or whole ${name}`,
  run: async (context) => {
    const body = context.body();
    const came = await context.post(body, { 'accept-encoding': name });
    const plain = came.headers['content-encoding'] === name ? { ...came, body: decode(came.body) } : came;
    const answer = answered(plain);
    holdSame(await context.infer(body), answer, `plain, then ${name}`);
  },
});

export const transport: Check<RestContext>[] = [
  {
    id: 'rest.transport.keep-alive',
    level: 'SHOULD',
    clause: 'a connection serves more than one request',
    run: async ({ client }) => hold(await reuses(client.base), 'the second request needed a new connection'),
  },
  {
    id: 'rest.transport.pipelining',
    level: 'SHOULD',
    clause: 'requests sent at once on a connection are answered in their order (RFC 9112, 9.3.2)',
    run: async ({ client }) => {
      const { host } = new URL(client.base);
      const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
      const statuses = (came: string) => [...came.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => Number(status));
      const text = get('/v2/health/live') + get('/v2/models/no-such-model') + get('/v2');
      const came = statuses(await pipelined(client.base, text, (all) => statuses(all).length === 3));
      const [first = 0, second = 0, third = 0] = came;
      hold(first === 200 && second >= 400 && third === 200, `the statuses are ${came.join(', ')}`);
    },
  },
  {
    id: 'rest.transport.chunked',
    level: 'MUST',
    clause: 'a request body may come in chunks, of no length known beforehand (RFC 9112, 7.1)',
    run: async (context) => {
      const body = context.body();
      holdSame(await context.infer(body), await context.infer(body, { 'transfer-encoding': 'chunked' }), 'whole, then chunked');
    },
  },
  {
    id: 'rest.transport.after-error',
    level: 'SHOULD',
    clause: 'a refused request does not make the server refuse the next',
    run: async (context) => {
      await context.post('{"inputs": [');
      await context.infer(context.body());
    },
  },
  coded('gzip', gzipSync),
  coded('deflate', deflateSync),
  {
    id: 'rest.transport.request-unknown-coding',
    level: 'SHOULD',
    clause: 'a request in a content-encoding that nobody knows is refused: 4xx',
    run: async (context) => {
      const { status } = await context.post(context.body(), { 'content-encoding': 'no-such-coding' });
      hold(status >= 400 && status < 500, `status ${status}, expected 4xx`);
    },
  },
  accepted('gzip', gunzipSync),
  accepted('deflate', inflateSync),
];
