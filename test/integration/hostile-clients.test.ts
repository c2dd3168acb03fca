import { once } from 'node:events';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { MqttLink } from '@flotilla/control-plane/link/mqtt-client';
import type { MqttClient } from 'mqtt';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { embeddedBroker, mosquittoBroker, type TestBroker } from '../support/broker.js';
import { aTrust, type DeviceTls, deviceTls } from '../support/credentials.js';
import { closed, connectClient, connectDevice, connectPacket, received, subscribe } from '../support/mqtt-client.js';
import { describeWith } from '../support/required.js';
import { until } from '../support/until.js';

const birth = (device: string) => `fl/v1/default/${device}/up/birth`;
const desired = (device: string) => `fl/v1/default/${device}/dn/desired`;
const silent = { info() {}, warn() {} };

/** What must hold at every broker that Flotilla supports. */
function keepsDevicesApart(start: () => Promise<TestBroker>): void {
  let at: TestBroker;
  let alice: DeviceTls;
  let bob: DeviceTls;
  let link: MqttLink;
  const heard: { topic: string; text: string }[] = [];
  const open: MqttClient[] = [];

  const deviceUrl = () => at.broker.publicUrl;
  const asDevice = async (tls: DeviceTls, id: string, options = {}) => {
    const client = await connectDevice(deviceUrl(), tls, id, options);
    open.push(client);
    return client;
  };
  const admitted = async (id: string) => {
    await at.broker.admit(id as never);
    return deviceTls(at.trust, id);
  };
  const heardFrom = (device: string) => heard.filter(({ topic }) => topic.startsWith(`fl/v1/default/${device}/`));
  /** Proves that the broker serves others: a device that repeats itself, as agents do until acknowledged, is heard. */
  const stillServes = async () => {
    const client = await asDevice(alice, 'alice');
    const text = `still here ${Math.random()}`;
    const isHeard = () => heard.some((message) => message.text === text);
    const deadline = performance.now() + 20_000;
    while (!isHeard() && performance.now() < deadline) {
      await client.publishAsync(birth('alice'), text, { qos: 1 });
      await until(isHeard, 'it is heard', 1000).catch(() => {});
    }
    expect(isHeard()).toBe(true);
  };

  beforeAll(async () => {
    at = await start();
    [alice, bob] = [await admitted('alice'), await admitted('bob')];
    const { url, kind, credentials } = at.broker;
    link = new MqttLink({ url, kind, credentials, tls: () => at.trust.controlPlaneTls(), log: silent });
    link.start(async (topic, payload) => void heard.push({ topic, text: payload.toString() }));
    await until(() => link.connected, 'the control plane is connected');
  });
  afterEach(async () => {
    for (const client of open.splice(0)) await client.endAsync(true);
  });
  afterAll(async () => {
    await link?.stop();
    await at?.close();
  });

  test('a device is heard, and hears what the control plane tells it', async () => {
    const client = await asDevice(alice, 'alice');
    const messages = received(client);
    expect(await subscribe(client, desired('alice'))).toBe(1);
    await client.publishAsync(birth('alice'), 'hello', { qos: 1 });
    await until(() => heardFrom('alice').some(({ text }) => text === 'hello'), 'the birth arrives');
    await link.publish(desired('alice'), 'run this');
    await until(() => messages.some(({ text }) => text === 'run this'), 'the desired state arrives');
  });

  test.each([
    '$share/x/fl/v1/+/+/up/#',
    '$share/cp/fl/v1/+/+/up/#',
    '$share/x/fl/v1/default/mallory/dn/desired',
    '#',
    '+/#',
    'fl/v1/+/+/up/#',
    'fl/v1/default/mallory/dn/#',
    'fl/v1/default/mallory/dn/+',
    desired('bob'),
    birth('mallory'),
    '$CONTROL/#',
  ])('a device is refused the subscription %s', async (filter) => {
    const client = await asDevice(await admitted('mallory'), 'mallory');
    expect(await subscribe(client, filter)).toBe(128);
  });

  test("a device can't publish as another, nor to devices, nor to the broker itself", async () => {
    const victim = await asDevice(bob, 'bob');
    const messages = received(victim);
    await subscribe(victim, desired('bob'));
    const before = heardFrom('bob').length;
    for (const topic of [birth('bob'), desired('bob'), 'fl/v1/other/mallory/up/birth', '$CONTROL/dynamic-security/v1']) {
      const hostile = await asDevice(await admitted('mallory'), 'mallory');
      hostile.publish(topic, 'forged', { qos: 0 });
      // Behind the forged one on the same connection: when this is answered or the connection is gone, that was judged.
      await Promise.race([hostile.publishAsync(birth('mallory'), 'after', { qos: 1 }).catch(() => {}), closed(hostile)]);
    }
    await victim.publishAsync(birth('bob'), 'genuine', { qos: 1 });
    await link.publish(desired('bob'), 'genuine');
    await until(() => messages.length > 0 && heardFrom('bob').length > before, 'the genuine messages arrive');
    expect(messages.map(({ text }) => text)).toEqual(['genuine']);
    expect(
      heardFrom('bob')
        .slice(before)
        .map(({ text }) => text),
    ).toEqual(['genuine']);
    expect(heard.filter(({ text }) => text === 'forged')).toEqual([]);
  });

  test("a device can't take another's session by its client id", async () => {
    const victim = await asDevice(bob, 'bob');
    const hostile = await asDevice(await admitted('mallory'), 'bob').catch(() => null);
    await victim.publishAsync(birth('bob'), 'not disturbed', { qos: 1 });
    expect(victim.connected).toBe(true);
    // Where the broker puts the certificate's name in place of the id, the connection stands, as mallory.
    if (hostile) expect(await subscribe(hostile, desired('bob'))).toBe(128);
  });

  test("a device that shows another's certificate without its key does not get in", async () => {
    const stolen = { ...alice, cert: bob.cert };
    await expect(asDevice(stolen, 'bob')).rejects.toThrow();
  });

  test('a certificate of a foreign CA, a self-made one and none at all do not get in', async () => {
    const foreign = await aTrust();
    const theirs = await deviceTls(foreign.trust, 'alice');
    await foreign.close();
    await expect(asDevice({ ...theirs, ca: at.trust.caPem() }, 'alice')).rejects.toThrow();
    await expect(connectClient(deviceUrl(), { ca: at.trust.caPem(), clientId: 'alice' })).rejects.toThrow();
    await expect(
      connectClient(deviceUrl(), { ca: at.trust.caPem(), clientId: 'alice', username: 'alice', password: 'x' }),
    ).rejects.toThrow();
  });

  test('a device is cut off at once when it is revoked while connected', async () => {
    const eve = await admitted('eve');
    const client = await asDevice(eve, 'eve');
    await client.publishAsync(birth('eve'), 'before', { qos: 1 });
    await at.trust.revoke([eve.serial]);
    await at.broker.dropSession('eve' as never);
    await closed(client);
    const back = await asDevice(eve, 'eve').catch(() => null);
    back?.publish(birth('eve'), 'after', { qos: 0 });
    if (back) expect(await subscribe(back, desired('eve'))).toBe(128);
    await stillServes();
    expect(heardFrom('eve').map(({ text }) => text)).toEqual(['before']);
  });

  test('garbage bytes end the connection that sent them, and no other', async () => {
    const socket = await rawSocket(deviceUrl(), await admitted('mallory'));
    socket.write(Buffer.from('GET / HTTP/1.1\r\nHost: broker\r\n\r\n'.repeat(100)));
    await gone(socket);
    await stillServes();
  });

  test('a PUBLISH of 64 MB is refused before it was taken in', async () => {
    const socket = await rawSocket(deviceUrl(), await admitted('mallory'));
    socket.write(connectPacket('mallory'));
    await once(socket, 'data');
    const topic = Buffer.from(birth('mallory'));
    // Remaining length 0x04000000 - 64 MiB - in four bytes (MQTT 3.1.1 section 2.2.3).
    socket.write(Buffer.concat([Buffer.from([0x30, 0x80, 0x80, 0x80, 0x20, 0, topic.length]), topic]));
    let sent = 0;
    while (!socket.destroyed && sent < 64) {
      if (!socket.write(Buffer.alloc(1024 * 1024))) await Promise.race([once(socket, 'drain'), gone(socket)]).catch(() => {});
      sent++;
    }
    await gone(socket);
    expect(sent).toBeLessThan(32);
    await stillServes();
  });

  test('a QoS 0 flood from 20 devices starves nobody', async () => {
    const flooders = await Promise.all(
      Array.from({ length: 20 }, async (_, i) => asDevice(await admitted(`flood-${i}`), `flood-${i}`)),
    );
    for (const [i, client] of flooders.entries()) {
      for (let n = 0; n < 2500; n++) client.publish(birth(`flood-${i}`), 'x'.repeat(100), { qos: 0 });
    }
    await stillServes();
    await until(() => heard.some(({ topic }) => topic.includes('/flood-')), 'the flood is heard too');
    for (const client of flooders) client.end(true);
    await stillServes();
  });
}

function rawSocket(url: string, tls: DeviceTls): Promise<TLSSocket> {
  const { hostname, port } = new URL(url);
  const socket = connectTls({
    host: hostname,
    port: Number(port),
    servername: 'localhost',
    key: tls.key,
    cert: tls.cert,
    ca: tls.ca,
  });
  socket.on('error', () => {});
  socket.resume();
  return once(socket, 'secureConnect').then(() => socket);
}

const gone = (socket: TLSSocket) =>
  new Promise<void>((resolve) => (socket.destroyed ? resolve() : socket.once('close', () => resolve())));

describe('the embedded broker', () => keepsDevicesApart(embeddedBroker));
describeWith('mosquitto', 'Mosquitto with the dynamic-security plugin', () => keepsDevicesApart(mosquittoBroker));
