import { X509Certificate } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { OpcUaOutput } from '@flotilla/protocol/device';
import {
  AttributeIds,
  ClientMonitoredItem,
  type ClientSession,
  type DataValue,
  OPCUAClient,
  TimestampsToReturn,
  type UserIdentityInfo,
  UserTokenType,
} from 'node-opcua-client';
import { afterEach, expect, it } from 'vitest';
import { aLog, eventually } from '../../../fixtures/eventually.js';
import { freePort } from '../../../supervisor/fixtures/loopback.js';
import { Folders } from '../../fixtures/folders.js';
import { FedPort } from '../../fixtures/ports.js';
import { OpcUaServer } from './opcua.js';

const folders = new Folders();
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
  await folders.clear();
});

async function serve(settings: object = {}, { staleMs = 60_000, startedAt = 1000, folder = '' } = {}) {
  const press = new FedPort('press', { staleMs });
  const log = aLog();
  const parsed = OpcUaOutput.parse({ port: await freePort(), anonymous: 'read', security: 'none', ...settings });
  const own = folder || (await folders.make());
  const slots = [{ port: press.port, settings: parsed }];
  const output = new OpcUaServer({ settings: parsed, slots, device: 'd', folder: own, log }, startedAt);
  closing.push(
    () => press.port.close(),
    () => output.stop(),
  );
  output.start();
  return { press, output, log, folder: own, port: parsed.port, url: `opc.tcp://127.0.0.1:${parsed.port}` };
}
const running = (output: { status: { state: string } }) => eventually(() => output.status.state === 'running');
const failure = async (output: { status: { state: string; reason?: string | undefined } }) => {
  await eventually(() => output.status.state === 'failed');
  return output.status.reason;
};

async function client(url: string, identity?: UserIdentityInfo) {
  const opened = OPCUAClient.create({ endpointMustExist: false, connectionStrategy: { maxRetry: 0, initialDelay: 100 } });
  closing.push(() => opened.disconnect().catch(() => undefined));
  await opened.connect(url);
  return opened.createSession(identity);
}
const read = (session: ClientSession, ...names: string[]) =>
  session.read(names.map((name) => ({ nodeId: `ns=2;s=${name}`, attributeId: AttributeIds.Value })));
const shown = ({ value, statusCode, sourceTimestamp }: DataValue) => [value.value, statusCode.name, sourceTimestamp?.getTime()];

it('shows no value as good that is not, and none at all where nothing serves', async () => {
  const { press, output, url } = await serve({}, { staleMs: 300 });
  await running(output);
  const session = await client(url);
  const label = async () => shown((await read(session, 'press/Class'))[0]!);
  expect((await label())[1]).toBe('BadWaitingForInitialData');
  const capturedAt = Date.now() - 5;
  press.publish({ top: [{ label: 'good', index: 0, score: 0.9 }], uncertain: 'it began anew' }, capturedAt);
  expect(await label()).toEqual(['good', 'UncertainSubNormal', capturedAt]);
  press.publish({ top: [{ label: 'good', index: 0, score: 0.9 }] }, capturedAt);
  await eventually(async () => (await label())[1] === 'UncertainLastUsableValue');
  expect(await label()).toEqual(['good', 'UncertainLastUsableValue', capturedAt]);
  press.tell({ state: 'safe-mode' });
  await eventually(async () => (await label())[1] === 'BadOutOfService');
  expect((await read(session, 'press/Class'))[0]!.value.value || '').toBe('');
  const status = await read(session, 'press/Status', 'press/Quality');
  expect(status.map(({ value }) => value.value)).toEqual(['safe-mode', 'safe-mode']);
});

it('keeps an overflowing queue of uncertain values short, and a subscription for as long as a client may stand still', async () => {
  const { press, output, url } = await serve();
  await running(output);
  const session = await client(url);
  const subscription = await session.createSubscription2({ requestedPublishingInterval: 1000, publishingEnabled: true });
  // A client that asks for a moment's life, and then stands still for longer, is not forgotten.
  expect(subscription.lifetimeCount * subscription.publishingInterval).toBe(60_000);
  const item = ClientMonitoredItem.create(
    subscription,
    { nodeId: 'ns=2;s=press/Confidence', attributeId: AttributeIds.Value },
    { samplingInterval: 50, queueSize: 3, discardOldest: true },
    TimestampsToReturn.Both,
  );
  const seen: DataValue[] = [];
  item.on('changed', (value) => seen.push(value));
  let turn = 0;
  const feed = setInterval(
    () => press.publish({ uncertain: 'it began anew', top: [{ label: 'a', index: 0, score: ++turn / 1e6 }] }),
    20,
  );
  closing.push(() => clearInterval(feed));
  const overflowed = await eventually(() => seen.find(({ statusCode }) => statusCode.hasOverflowBit));
  expect(overflowed.statusCode.isGood()).toBe(false);
  expect(item.result?.revisedQueueSize).toBe(3);
  expect(output.status.clients).toBe(1);
});

it('takes its certificate and its start for what they are after a restart', async () => {
  const folder = await folders.make();
  const first = await serve({}, { folder, startedAt: 1000 });
  await running(first.output);
  const file = join(folder, 'pki', 'own', 'certs', 'certificate.pem');
  const certificate = await readFile(file, 'utf8');
  expect((await stat(join(folder, 'pki'))).mode & 0o777).toBe(0o700);
  const { subject, subjectAltName } = new X509Certificate(certificate);
  expect(subject).toContain('CN=Flotilla d');
  expect(subjectAltName).toContain('IP Address:127.0.0.1');
  const startOf = async (url: string) => (await read(await client(url), 'GatewayStart'))[0]!.value.value as Date;
  expect(await startOf(first.url)).toEqual(new Date(1000));
  await first.output.stop();
  const second = await serve({}, { folder, startedAt: 2000 });
  await running(second.output);
  expect(await startOf(second.url)).toEqual(new Date(2000));
  expect(await readFile(file, 'utf8')).toBe(certificate);
});

it('is found again by a client that was connected when it was restarted, whose subscription goes on', async () => {
  const folder = await folders.make();
  const port = await freePort();
  const first = await serve({ port }, { folder, startedAt: 1000 });
  await running(first.output);
  const connectionStrategy = { maxRetry: -1, initialDelay: 50, maxDelay: 200 };
  const opened = OPCUAClient.create({ endpointMustExist: false, connectionStrategy });
  closing.push(() => opened.disconnect());
  await opened.connect(first.url);
  const session = await opened.createSession();
  const subscription = await session.createSubscription2({ requestedPublishingInterval: 50, publishingEnabled: true });
  const item = ClientMonitoredItem.create(
    subscription,
    { nodeId: 'ns=2;s=GatewayStart', attributeId: AttributeIds.Value },
    { samplingInterval: 50, queueSize: 1, discardOldest: true },
    TimestampsToReturn.Both,
  );
  const starts: number[] = [];
  item.on('changed', ({ value }) => starts.push((value.value as Date | null)?.getTime() ?? 0));
  await eventually(() => starts.includes(1000));
  await first.output.stop();
  const second = await serve({ port }, { folder, startedAt: 2000 });
  await running(second.output);
  await eventually(() => starts.at(-1) === 2000);
});

it('offers no endpoint without encryption unless it is said, and none of what is broken', async () => {
  const endpointsOf = async (settings: object) => {
    const { output, url } = await serve(settings);
    await running(output);
    const asking = OPCUAClient.create({ endpointMustExist: false });
    closing.push(() => asking.disconnect());
    await asking.connect(url);
    const endpoints = await asking.getEndpoints();
    const ways = endpoints.flatMap(({ userIdentityTokens }) => userIdentityTokens ?? []).map(({ tokenType }) => tokenType);
    expect(new Set(ways)).toEqual(new Set([UserTokenType.Anonymous]));
    expect(endpoints.every(({ endpointUrl }) => endpointUrl === url)).toBe(true);
    return endpoints
      .map(({ securityMode, securityPolicyUri }) => `${securityMode} ${securityPolicyUri?.split('#')[1]}`)
      .toSorted();
  };
  expect(await endpointsOf({ security: 'sign-and-encrypt' })).toEqual(['3 Aes256_Sha256_RsaPss', '3 Basic256Sha256']);
  expect(await endpointsOf({ security: 'none' })).toContain('1 None');
});

it('lets nobody in by a certificate alone, and the unnamed only where it is said', async () => {
  const secret = join(await folders.make({ secret: 'right' }), 'secret');
  const { output, url, folder } = await serve({ anonymous: 'no', users: [{ name: 'line', passwordFile: secret }] });
  await running(output);
  await expect(client(url)).rejects.toThrow(/Anonymous|identity/i);
  const pki = join(folder, 'pki', 'own');
  const certificateData = new X509Certificate(await readFile(join(pki, 'certs', 'certificate.pem'))).raw;
  const privateKey = await readFile(join(pki, 'private', 'private_key.pem'), 'utf8');
  await expect(client(url, { type: UserTokenType.Certificate, certificateData, privateKey })).rejects.toThrow(
    /Bad|Cannot find Certificate/,
  );
  const session = await client(url, { type: UserTokenType.UserName, userName: 'line', password: 'right' });
  expect((await read(session, 'Device'))[0]!.value.value).toBe('d');
});

it('says in a sentence what is in its way, and goes on when that is gone', async () => {
  const port = await freePort();
  const other = createServer().listen(port, '127.0.0.1');
  await once(other, 'listening');
  const { output } = await serve({ port });
  expect(await failure(output)).toMatch(/another program has 127\.0\.0\.1:\d+: give opcua another port/);
  other.close();
  await running(output);
  const folder = await folders.make({ none: 'x' });
  const unreadable = await serve({ users: [{ name: 'a', passwordFile: join(folder, 'gone') }] });
  expect(await failure(unreadable.output)).toContain(`${join(folder, 'gone')} can not be read`);
  const noCertificate = await serve({ clientCertificateFiles: [join(folder, 'none')] });
  expect(await failure(noCertificate.output)).toContain(`${join(folder, 'none')} is no certificate, PEM or DER`);
  const elsewhere = await serve({ host: '192.0.2.1' });
  expect(await failure(elsewhere.output)).toContain('this device has no address 192.0.2.1');
});

it('serves others while connections are held that say nothing, and ends in time with all of them', async () => {
  const { press, output, port, url } = await serve({ maxSessions: 3 });
  await running(output);
  const silent: Socket[] = [];
  for (let turn = 0; turn < 12; turn++) {
    const socket = connect({ port, host: '127.0.0.1' }).on('error', () => {});
    await once(socket, 'connect');
    silent.push(socket);
  }
  closing.push(() => silent.forEach((socket) => socket.destroy()));
  press.publish({ top: [{ label: 'a', index: 0, score: 1 }] });
  const session = await client(url);
  expect(shown((await read(session, 'press/Class'))[0]!).slice(0, 2)).toEqual(['a', 'Good']);
  const began = performance.now();
  await output.stop();
  expect(performance.now() - began).toBeLessThan(5000);
});

it('lets others in when clients died without a word, whose sessions would live on', async () => {
  const { output, port, url } = await serve({ maxSessions: 2 });
  await running(output);
  const pipes: Socket[] = [];
  const proxy = createServer((socket) => {
    const onward = connect({ port, host: '127.0.0.1' });
    pipes.push(socket, onward);
    for (const end of [socket, onward]) end.on('error', () => {});
    socket.pipe(onward).pipe(socket);
  }).listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  const behind = `opc.tcp://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  await client(behind);
  await client(behind);
  await expect(client(url)).rejects.toThrow('BadTooManySessions');
  proxy.close();
  for (const pipe of pipes) pipe.destroy();
  const device = await eventually(() =>
    client(url)
      .then((session) => read(session, 'Device'))
      .catch(() => undefined),
  );
  expect(device[0]!.value.value).toBe('d');
});
