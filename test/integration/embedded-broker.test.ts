import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { ControlPlaneConfig } from '@flotilla/control-plane/config';
import { startBroker } from '@flotilla/control-plane/link/broker/start-broker';
import { brokerLimits } from '@flotilla/control-plane/link/broker/embedded-broker';
import { deviceLimits } from '@flotilla/control-plane/link/broker/limiter';
import { MqttLink, type OnMessage } from '@flotilla/control-plane/link/mqtt-client';
import type { MqttClient } from 'mqtt';
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { embeddedBroker, isListening, type TestBroker } from '../support/broker.js';
import { aTrust, type DeviceTls, deviceTls } from '../support/credentials.js';
import { closed, connectDevice, connectPacket, received, subscribe, subscribePacket } from '../support/mqtt-client.js';
import { until } from '../support/until.js';

const birth = (device: string) => `fl/v1/default/${device}/up/birth`;
const desired = (device: string) => `fl/v1/default/${device}/dn/desired`;
const silent = { info() {}, warn() {} };

let at: TestBroker;
const links: MqttLink[] = [];
const clients: MqttClient[] = [];

beforeEach(async () => {
  at = await embeddedBroker({
    connectTimeoutMs: 2500,
    device: { ...deviceLimits, packetsPerS: 100, packetBurst: 300, dropAfterMs: 1000 },
  });
});
afterEach(async () => {
  for (const client of clients.splice(0)) await client.endAsync(true);
  for (const link of links.splice(0)) await link.stop();
  await at.close();
});

const asDevice = async (id: string, options: Parameters<typeof connectDevice>[3] = {}, tls?: DeviceTls) => {
  const client = await connectDevice(at.broker.url, tls ?? (await deviceTls(at.trust, id)), id, options);
  clients.push(client);
  return client;
};

async function controlPlane(onMessage: OnMessage = async () => {}): Promise<MqttLink> {
  const link = new MqttLink({ url: at.broker.url, kind: 'embedded', tls: () => at.trust.controlPlaneTls(), log: silent });
  links.push(link);
  link.start(onMessage);
  await until(() => link.connected, 'the control plane is connected');
  return link;
}

async function rawTls(id: string, options: object = {}): Promise<TLSSocket> {
  const { key, cert, ca } = await deviceTls(at.trust, id);
  const socket = connectTls({ host: '127.0.0.1', port: port(), servername: 'localhost', key, cert, ca, ...options });
  socket.on('error', () => {});
  socket.resume();
  await once(socket, 'secureConnect');
  return socket;
}

const brokerPid = () => (at.broker as unknown as { pid(): number }).pid();
const port = () => Number(new URL(at.broker.url).port);
const count = (reason: string) => at.counters.snapshot()[`broker-refused-${reason}`] ?? 0;
const gone = (socket: Socket) =>
  new Promise<void>((resolve) => (socket.destroyed ? resolve() : socket.once('close', () => resolve())));

describe('what the embedded broker does not speak', () => {
  test('a retained message ends its connection and is kept nowhere', async () => {
    const client = await asDevice('dev-1');
    client.publish(birth('dev-1'), 'kept', { qos: 0, retain: true });
    await closed(client);
  });

  test('QoS 2 ends its connection', async () => {
    const client = await asDevice('dev-1');
    client.publish(birth('dev-1'), 'twice', { qos: 2 });
    await closed(client);
  });

  test('a session that outlives its connection, a foreign will and a missing keep-alive are refused at CONNECT', async () => {
    await expect(asDevice('dev-1', { clean: false })).rejects.toThrow('Not authorized');
    await expect(
      asDevice('dev-1', { will: { topic: birth('dev-2'), payload: Buffer.from('x'), qos: 0, retain: false } }),
    ).rejects.toThrow('Not authorized');
    await expect(asDevice('dev-1', { keepalive: 0 })).rejects.toThrow();
  });
});

test('the will of a device whose connection broke is delivered', async () => {
  const heard: string[] = [];
  await controlPlane(async (topic, payload) => void heard.push(`${topic} ${payload.toString()}`));
  const topic = 'fl/v1/default/dev-1/up/presence';
  const client = await asDevice('dev-1', { will: { topic, payload: Buffer.from('gone'), qos: 1, retain: false } });
  client.stream.destroy();
  await until(() => heard.includes(`${topic} gone`), 'the will arrives');
});

test('of two connections of one device the newer one stands', async () => {
  const tls = await deviceTls(at.trust, 'dev-1');
  const older = await asDevice('dev-1', {}, tls);
  const newer = await asDevice('dev-1', {}, tls);
  await closed(older);
  await newer.publishAsync(birth('dev-1'), 'hello', { qos: 1 });
});

test('a certificate opens two connections at most', async () => {
  const sockets = [await rawTls('dev-1'), await rawTls('dev-1'), await rawTls('dev-1')];
  await gone(sockets[0]!);
  expect(sockets.slice(1).map((socket) => socket.destroyed)).toEqual([false, false]);
  for (const socket of sockets) socket.destroy();
  await until(() => count('superseded') === 1, 'the drop is counted as what it is');
});

test('a revoked certificate does not come back by an earlier TLS session', async () => {
  const tls = await deviceTls(at.trust, 'dev-1');
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    const first = await rawTls('dev-1', { ...tls, maxVersion });
    // A session ticket comes before the broker's first answer, if one comes.
    first.write(connectPacket('dev-1'));
    await once(first, 'data');
    const session = first.getSession();
    first.destroy();
    const again = await rawTls('dev-1', { ...tls, maxVersion, session });
    expect(again.isSessionReused()).toBe(false);
    again.destroy();
  }
  await at.trust.revoke([tls.serial]);
  await expect(asDevice('dev-1', {}, tls)).rejects.toThrow();
});

describe('slow loris', () => {
  test('a TLS handshake that never comes', async () => {
    const socket = connectTcp({ host: '127.0.0.1', port: port() }).on('error', () => {});
    await once(socket, 'connect');
    await gone(socket);
  });

  test('a CONNECT that never ends', async () => {
    const socket = await rawTls('dev-1');
    socket.write(Buffer.from([0x10, 0x20, 0x00, 0x04]));
    await gone(socket);
  });
});

test('a device that stays over its packet rate is slowed, then dropped and counted', async () => {
  const client = await asDevice('dev-1');
  const flood = setInterval(() => {
    for (let i = 0; i < 500; i++) client.publish(birth('dev-1'), 'x', { qos: 0 });
  }, 20);
  await closed(client);
  clearInterval(flood);
  await until(() => count('flood') > 0, 'the drop is counted');
});

test('a device that does not read does not keep the others from what is sent to them', async () => {
  const link = await controlPlane();
  const deaf = await rawTls('deaf');
  deaf.write(connectPacket('deaf'));
  await once(deaf, 'data');
  deaf.write(subscribePacket(desired('deaf')));
  await once(deaf, 'data');
  deaf.pause();
  const listening = await asDevice('dev-1');
  const messages = received(listening);
  await subscribe(listening, desired('dev-1'));
  // As much as the kernel's buffers hold, and then some that waits in the broker.
  for (let i = 0; i < 24; i++) await link.publish(desired('deaf'), Buffer.alloc(250_000, 'x'));
  for (let i = 0; i < 200; i++) void link.publish(desired('deaf'), Buffer.alloc(4000, 'x')).catch(() => {});
  await link.publish(desired('dev-1'), 'run this');
  await until(() => messages.some(({ text }) => text === 'run this'), 'the other device gets its message');
});

test('a flood that meets a control plane which reads nothing and then leaves does not end the broker', async () => {
  const before = brokerPid();
  const link = await controlPlane(() => new Promise(() => {}));
  const flooders = await Promise.all(Array.from({ length: 20 }, (_, i) => asDevice(`flood-${i}`)));
  for (const [i, client] of flooders.entries())
    for (let n = 0; n < 3000; n++) client.publish(birth(`flood-${i}`), 'x'.repeat(200), { qos: 0 });
  const good = await asDevice('dev-1');
  await link.stop();
  const heard: string[] = [];
  await controlPlane(async (topic) => void heard.push(topic));
  await good.publishAsync(birth('dev-1'), 'hello', { qos: 1 });
  await until(() => heard.includes(birth('dev-1')), 'a good device is heard');
  expect(brokerPid()).toBe(before);
});

test('killed, the broker is back on the same port, and its clients with it', async () => {
  const heard: string[] = [];
  const link = await controlPlane(async (topic) => void heard.push(topic));
  let restarts = 0;
  at.broker.onRestart(() => restarts++);
  process.kill(brokerPid(), 'SIGKILL');
  await until(() => restarts === 1 && link.connected, 'broker and link are back');
  const client = await asDevice('dev-1');
  await client.publishAsync(birth('dev-1'), 'hello', { qos: 1 });
  await until(() => heard.includes(birth('dev-1')), 'the message arrives');
  expect(at.counters.snapshot()['broker-restarts']).toBe(1);
});

test('what was not acknowledged when the broker died is rejected, not kept somewhere', async () => {
  const link = await controlPlane();
  process.kill(brokerPid(), 'SIGKILL');
  await until(() => !link.connected, 'the link has noticed');
  await expect(link.publish(desired('dev-1'), 'x')).rejects.toThrow('not connected');
});

test('no broker is left when its parent was killed', async () => {
  const parent = spawn(process.execPath, [
    '--experimental-transform-types',
    '--no-warnings',
    '--conditions=flotilla-source',
    `--import=${new URL('../support/run-source.mjs', import.meta.url).href}`,
    fileURLToPath(new URL('../support/broker-parent.ts', import.meta.url)),
  ]);
  onTestFinished(() => void parent.kill('SIGKILL'));
  let said = '';
  parent.stdout.on('data', (text: Buffer) => (said += text.toString()));
  parent.stderr.on('data', (text: Buffer) => (said += text.toString()));
  await until(() => said.includes('\n'), 'the parent says where its broker is', 40_000).catch((error: Error) => {
    throw new Error(`${error.message}; it said: ${said}`);
  });
  const started = JSON.parse(said) as { port: number; pid: number; dir: string };
  expect(isRunning(started.pid)).toBe(true);
  parent.kill('SIGKILL');
  await until(() => !isRunning(started.pid), 'its process is gone');
  expect(await isListening(started.port)).toBe(false);
  await rm(started.dir, { recursive: true, force: true });
}, 60_000);

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

test('a port in use is one clear sentence', async () => {
  const other = await aTrust();
  const config = ControlPlaneConfig.parse({ mqtt: { port: port() } });
  const starting = startBroker({ config, trust: other.trust, log: silent, limits: brokerLimits });
  await expect(starting).rejects.toThrow(`port ${port()} on 127.0.0.1 is in use`);
  await other.close();
});
