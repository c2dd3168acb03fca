import type { RequestListener } from 'node:http';
import { type FromRunner, ToStub } from '../runner-protocol.js';
import { openSecurity } from '../http/open-security.js';
import { SlotListeners, inherited } from './http/slot-listeners.js';
import type { Quality } from '../prediction.js';

const json = { 'content-type': 'application/json' };
/** Alive is what asks whether to restart this device; nothing would get better by it. */
const alive = new Map<string, object>([
  ['/healthz', { status: 'safe-mode' }],
  ['/v2/health/live', { live: true }],
]);

/** Stands in on a slot's sockets while no runner can serve: each request is refused with the reason at once, instead of waiting in the backlog. */
export function startStub(): void {
  let listeners: Promise<SlotListeners> | undefined;
  process.on('message', (message) => {
    const order = ToStub.parse(message);
    if (order.type === 'refuse') listeners = refuse(order);
    else void (listeners?.then((all) => all.drain(order.graceMs)) ?? Promise.resolve()).then(() => process.exit(0));
  });
  process.on('disconnect', () => process.exit(0));
  if (!process.connected) process.exit(0);
}

type Refuse = Extract<ToStub, { type: 'refuse' }>;

async function refuse({ reason, listen, credentials }: Refuse): Promise<SlotListeners> {
  const why = `no model serves here: ${reason}`;
  const security = await openSecurity(credentials);
  const loadGrpc = async () => (await import('./grpc/stub-server.js')).stubServer(why);
  const listeners = new SlotListeners(unavailable(why), loadGrpc, security);
  await listeners.listen(inherited(listen));
  process.send?.({ type: 'activated' } satisfies FromRunner);
  return listeners;
}

/** Where predictions are asked for: a client that reads nothing but the quality must not take silence for good. */
const quality: Quality = 'safe-mode';
/** The slot tries again by itself; a client may as well. */
const retryAfterS = 10;

const unavailable =
  (why: string): RequestListener =>
  (request, response) => {
    const path = request.url!.split('?')[0]!;
    const fine = alive.get(path);
    const body = { error: why, ...(path.startsWith('/v1/slots/') ? { quality } : {}) };
    // A body that nobody read would be taken for the next request.
    if (!request.complete) response.setHeader('connection', 'close');
    if (fine) response.writeHead(200, json).end(JSON.stringify(fine));
    else response.writeHead(503, { ...json, 'retry-after': String(retryAfterS) }).end(JSON.stringify(body));
  };
