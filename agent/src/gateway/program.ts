import { pino } from 'pino';
import { z } from 'zod';
import { messageOf } from '../errors.js';
import { type FromGateway, ToGateway } from '../gateway-protocol.js';
import type { Credentials } from '../credentials.js';
import { httpHandler } from '../http/http.js';
import { Listener } from '../http/listener.js';
import { openSecurity } from '../http/open-security.js';
import type { Security } from '../http/security.js';
import { gatewayRoutes } from './api/routes.js';
import { Gateway } from './gateway.js';

const Level = z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']);
const heartbeatMs = 1000;

/** Puts the gateway together and connects it to its parent's channel. */
export function startProgram(logLevel: string | undefined): void {
  const level = Level.catch('info').parse(logLevel);
  const log = pino({ name: 'gateway', level, base: { pid: process.pid } }, pino.destination({ fd: 1, sync: true }));
  const gateway = new Gateway({
    log,
    onSource: (slot, { state, reason }) => {
      log[state === 'failed' ? 'error' : 'info']({ slot, reason }, `the source is ${state}`);
      send({ type: 'source', slot, state, reason });
    },
  });
  let door: Promise<Security | undefined> | undefined;

  process.on('uncaughtException', (error) => {
    log.fatal({ reason: messageOf(error), stack: error.stack }, 'a bug');
    process.exit(1);
  });
  process.on('message', (message) => void take(message));
  process.on('disconnect', () => void end());
  if (!process.connected) process.exit(0);
  setInterval(() => send({ type: 'heartbeat', rssBytes: process.memoryUsage.rss() }), heartbeatMs);

  async function take(message: unknown): Promise<void> {
    const order = ToGateway.safeParse(message);
    if (!order.success) throw new Error(`not an order: ${z.prettifyError(order.error)}`);
    if (order.data.type === 'status') return gateway.told(order.data.status);
    const { http, slots, credentials } = order.data;
    if (http !== undefined) door ??= openDoor(http, credentials);
    const security = await door;
    if (credentials) security?.renew(credentials);
    await gateway.configure(order.data);
    send({ type: 'configured', slots: slots.map(({ slot }) => slot) });
  }

  /** Its own interface; whoever is not on this device has to show who they are. */
  async function openDoor(fd: number, credentials: Credentials | undefined): Promise<Security | undefined> {
    const security = await openSecurity(credentials, 'gateway');
    const handler = httpHandler(gatewayRoutes(gateway), log);
    const listener = security
      ? new Listener(security.guard(handler), undefined, security.accepting('http/1.1'))
      : new Listener(handler);
    await listener.listen({ fd });
    return security;
  }

  function send(message: FromGateway): void {
    if (process.connected) process.send!(message);
  }

  /** Devices and connections are let go of; what takes too long is left to the system. */
  async function end(): Promise<void> {
    setTimeout(() => process.exit(0), 2500).unref();
    await gateway.stop().catch((error: unknown) => log.warn({ reason: messageOf(error) }, 'not ended cleanly'));
    process.exit(0);
  }
}
