import type { OpcUaSource } from '@flotilla/protocol/device';
import {
  AttributeIds,
  ClientMonitoredItemGroup,
  type ClientSession,
  coerceNodeId,
  type DataValue,
  type OPCUAClient,
  TimestampsToReturn,
} from 'node-opcua-client';
import { messageOf } from '../../errors.js';
import type { Sink, Source, SourceContext } from '../source.js';
import type { Value } from './line-reader.js';
import { clientFor, identityOf, pkiFolder } from './opcua-client.js';
import { valueOf } from './opcua-values.js';
import { pause, PersistentSource, type Session, type SessionEnd, SourceTrouble } from './persistent.js';
import { StallWatch } from './stall-watch.js';

const backoff = { baseMs: 500, capMs: 30_000 };
/** The server says at least so often that it is there. */
const keepAliveMs = 5000;
const stallMs = 3 * keepAliveMs;
/** What is kept of goodbyes: a server that does not answer must not hold up the stop. */
const goodbyeMs = 1000;

/** Variables that a server tells when they change, as sets of features in a steady rhythm. */
export function opcuaSource(config: OpcUaSource, { folder }: SourceContext): Source {
  let sessions = 0;
  return new PersistentSource((session) => oneSession(config, folder, session, sessions++ > 0), backoff);
}

/** Of one session: `end` is called with what ended it, or with nothing when the source is to stop. */
type Course = { over: AbortSignal; end: (trouble: SourceTrouble | undefined) => void };

async function oneSession(config: OpcUaSource, folder: string, session: Session, again: boolean): Promise<SessionEnd> {
  const client = await clientFor(config, folder);
  const ended = Promise.withResolvers<SourceTrouble | undefined>();
  const over = new AbortController();
  const stop = () => ended.resolve(undefined);
  session.signal.addEventListener('abort', stop);
  if (session.signal.aborted) stop();
  const course = { over: over.signal, end: ended.resolve };
  client.on('connection_lost', () => course.end(waiting(config, 'has ended the connection')));
  listen(config, client, session, course, again).catch((error: unknown) => course.end(troubleOf(error, config, folder)));
  const trouble = await ended.promise;
  over.abort();
  session.signal.removeEventListener('abort', stop);
  await goodbye(client);
  if (trouble) throw trouble;
  return 'over';
}

const waiting = ({ opcua }: OpcUaSource, how: string) =>
  new SourceTrouble('waiting', `${opcua} ${how}; it is being reached again`);

async function goodbye(client: OPCUAClient): Promise<void> {
  await Promise.race([client.disconnect().catch(() => undefined), pause(goodbyeMs, new AbortController().signal)]);
}

async function listen(config: OpcUaSource, client: OPCUAClient, session: Session, course: Course, again: boolean): Promise<void> {
  await client.connect(config.opcua);
  const opened = await client.createSession(await identityOf(config));
  opened.on('session_closed', () => course.end(waiting(config, 'has closed the session')));
  const values = new Map<string, Value>();
  await subscribe(opened, config, values, course);
  if (course.over.aborted) return;
  session.came();
  session.sink.state({ state: 'running' });
  giveSets(config, values, session.sink, course.over, again);
}

async function subscribe(session: ClientSession, config: OpcUaSource, values: Map<string, Value>, course: Course): Promise<void> {
  const { nodes, everyMs } = config;
  const names = Object.keys(nodes);
  const items = names.map((name) => ({ nodeId: nodeIdOf(nodes[name]!), attributeId: AttributeIds.Value }));
  // Not ClientSubscription.create: what that puts off fails where nobody catches it.
  const subscription = await session.createSubscription2({
    requestedPublishingInterval: everyMs,
    requestedMaxKeepAliveCount: Math.max(1, Math.ceil(keepAliveMs / everyMs)),
    requestedLifetimeCount: Math.max(100, Math.ceil((10 * keepAliveMs) / everyMs)),
    publishingEnabled: true,
  });
  if (course.over.aborted) return;
  const watch = new StallWatch(Math.max(stallMs, 3 * everyMs), () => course.end(waiting(config, 'says nothing any more')));
  course.over.addEventListener('abort', () => watch.rest());
  for (const event of ['keepalive', 'received_notifications'] as const)
    subscription.on(event, () => course.over.aborted || watch.expect());
  subscription.on('terminated', () => course.end(waiting(config, 'has ended the subscription')));
  watch.expect();
  const group = ClientMonitoredItemGroup.create(
    subscription,
    items,
    { samplingInterval: everyMs, discardOldest: true, queueSize: 1 },
    TimestampsToReturn.Source,
  );
  group.on('changed', (_item, value: DataValue, index: number) => void values.set(names[index]!, valueOf(value)));
  await new Promise<void>((resolve, reject) => {
    group.once('initialized', resolve);
    group.once('err', (message: string) => reject(new Error(message)));
  });
  for (const [index, { statusCode }] of group.monitoredItems.entries())
    if (statusCode.isBad())
      throw new SourceTrouble('failed', `the server has no ${nodes[names[index]!]} (${names[index]}): ${statusCode.name}`);
}

function nodeIdOf(written: string) {
  try {
    return coerceNodeId(written);
  } catch (error) {
    throw new SourceTrouble('failed', `"${written}" names no variable (such as "ns=2;s=Press.Temperature"): ${messageOf(error)}`);
  }
}

/** One at each tick, once each variable was told; what has not changed since is as good as new. */
function giveSets(config: OpcUaSource, values: Map<string, Value>, sink: Sink, over: AbortSignal, again: boolean): void {
  const { nodes, everyMs, opcua } = config;
  const names = Object.keys(nodes);
  let gap = again || undefined;
  const give = () => {
    if (values.size < names.length) return;
    const bytes = Buffer.from(JSON.stringify(Object.fromEntries(names.map((name) => [name, values.get(name)]))));
    sink.offer({ payload: { kind: 'features' }, bytes, capturedAt: Date.now(), name: opcua, gap });
    gap = undefined;
  };
  const timer = setInterval(give, everyMs);
  over.addEventListener('abort', () => clearInterval(timer));
}

/** What no patience mends, though it is tried again all the same. */
const needsAHand = /BadCertificate|BadSecurity|BadIdentity|BadUserAccess|security ?(mode|policy)|Certificate|does not match/i;

function troubleOf(error: unknown, { opcua }: OpcUaSource, folder: string): SourceTrouble {
  if (error instanceof SourceTrouble) return error;
  const reason = messageOf(error).split('\n')[0]!;
  const advice = /Untrusted|not trusted/i.test(messageOf(error))
    ? `: name it as serverCertificateFile, or move it from ${pkiFolder(folder)}/rejected to ${pkiFolder(folder)}/trusted/certs`
    : '';
  return new SourceTrouble(
    needsAHand.test(messageOf(error)) ? 'failed' : 'waiting',
    `${opcua} can not be read: ${reason}${advice}`,
  );
}
