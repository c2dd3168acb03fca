import type { ListenOptions } from 'node:net';
import type { RequestListener } from 'node:http';
import { type FromRunner, ToStub } from '../runner-protocol.js';
import { Listener } from './listener.js';
import type { Quality } from './slot-schemas.js';

const json = { 'content-type': 'application/json' };
/** Alive is what asks whether to restart this device; nothing would get better by it. */
const alive = new Map<string, object>([
  ['/healthz', { status: 'safe-mode' }],
  ['/v2/health/live', { live: true }],
]);

/** Stands in on a slot's socket while no runner can serve: each request gets 503 with the reason at once, instead of waiting in the backlog. */
export function startStub(listen: ListenOptions | { fd: number }): void {
  let listener: Listener | undefined;
  process.on('message', (message) => {
    const order = ToStub.parse(message);
    if (order.type === 'refuse') listener = refuse(listen, order.reason);
    else void (listener?.drain(order.graceMs) ?? Promise.resolve()).then(() => process.exit(0));
  });
  process.on('disconnect', () => process.exit(0));
  if (!process.connected) process.exit(0);
}

function refuse(listen: ListenOptions | { fd: number }, reason: string): Listener {
  const listener = new Listener(unavailable(reason));
  void listener.listen(listen).then(() => process.send?.({ type: 'activated' } satisfies FromRunner));
  return listener;
}

/** Where predictions are asked for: a client that reads nothing but the quality must not take silence for good. */
const quality: Quality = 'safe-mode';
/** The slot tries again by itself; a client may as well. */
const retryAfterS = 10;

const unavailable =
  (reason: string): RequestListener =>
  (request, response) => {
    const path = request.url!.split('?')[0]!;
    const fine = alive.get(path);
    const body = { error: `no model serves here: ${reason}`, ...(path.startsWith('/v1/slots/') ? { quality } : {}) };
    // A body that nobody read would be taken for the next request.
    if (!request.complete) response.setHeader('connection', 'close');
    if (fine) response.writeHead(200, json).end(JSON.stringify(fine));
    else response.writeHead(503, { ...json, 'retry-after': String(retryAfterS) }).end(JSON.stringify(body));
  };
