import type { ListenOptions } from 'node:net';
import type { RequestListener } from 'node:http';
import { type FromRunner, ToStub } from '../runner-protocol.js';
import { Listener } from './listener.js';
import { openSecurity } from './open-security.js';
import type { Quality } from './slot-schemas.js';

const json = { 'content-type': 'application/json' };
/** Alive is what asks whether to restart this device; nothing would get better by it. */
const alive = new Map<string, object>([
  ['/healthz', { status: 'safe-mode' }],
  ['/v2/health/live', { live: true }],
]);

/** Stands in on a slot's socket while no runner can serve: each request gets 503 with the reason at once, instead of waiting in the backlog. */
export function startStub(listen: ListenOptions | { fd: number }): void {
  let listener: Promise<Listener> | undefined;
  process.on('message', (message) => {
    const order = ToStub.parse(message);
    if (order.type === 'refuse') listener = refuse(listen, order);
    else void (listener?.then((l) => l.drain(order.graceMs)) ?? Promise.resolve()).then(() => process.exit(0));
  });
  process.on('disconnect', () => process.exit(0));
  if (!process.connected) process.exit(0);
}

type Refuse = Extract<ToStub, { type: 'refuse' }>;

async function refuse(listen: ListenOptions | { fd: number }, { reason, credentials }: Refuse): Promise<Listener> {
  const [handler, security] = [unavailable(reason), await openSecurity(credentials)];
  const listener = security ? new Listener(security.guard(handler), undefined, security.accept) : new Listener(handler);
  await listener.listen(listen);
  process.send?.({ type: 'activated' } satisfies FromRunner);
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
