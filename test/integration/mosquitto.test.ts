import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ControlPlaneConfig } from '@flotilla/control-plane/config';
import type { Broker } from '@flotilla/control-plane/link/broker/broker';
import { startBroker } from '@flotilla/control-plane/link/broker/start-broker';
import { checkBroker } from '@flotilla/control-plane/link/broker/check-broker';
import { MqttLink } from '@flotilla/control-plane/link/mqtt-client';
import { DeviceId } from '@flotilla/protocol';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { mosquittoBroker, startMosquitto, stopProcess, type TestBroker } from '../support/broker.js';
import { aTrust, deviceTls } from '../support/credentials.js';
import { connectClient, connectDevice } from '../support/mqtt-client.js';
import { describeWith } from '../support/required.js';
import { until } from '../support/until.js';

const silent = { info() {}, warn() {} };

describeWith('mosquitto', 'Mosquitto, set up by the example', () => {
  let at: TestBroker;
  beforeAll(async () => {
    at = await mosquittoBroker();
  });
  afterAll(async () => at?.close());

  const linkTo = ({ url, kind, credentials }: Broker) =>
    new MqttLink({ url, kind, credentials, tls: () => at.trust.controlPlaneTls(), log: silent });

  test('two control planes share what devices send, and lose nothing', async () => {
    const [first, second]: [string[], string[]] = [[], []];
    const links = [linkTo(at.broker), linkTo(at.broker)];
    links[0]!.start(async (_, payload) => void first.push(payload.toString()));
    links[1]!.start(async (_, payload) => void second.push(payload.toString()));
    await until(() => links.every((link) => link.connected), 'both are connected');
    await at.broker.admit(DeviceId.parse('dev-1'));
    const client = await connectDevice(at.broker.publicUrl, await deviceTls(at.trust, 'dev-1'), 'dev-1');
    const sent = Array.from({ length: 200 }, (_, i) => String(i));
    for (const text of sent) await client.publishAsync('fl/v1/default/dev-1/up/event', text, { qos: 1 });
    await until(() => first.length + second.length >= sent.length, 'all have arrived');
    expect([...first, ...second].toSorted()).toEqual(sent.toSorted());
    expect(Math.min(first.length, second.length)).toBeGreaterThan(0);
    await client.endAsync(true);
    for (const link of links) await link.stop();
  });

  test("the control planes' listener takes no device by its name", async () => {
    await at.broker.admit(DeviceId.parse('dev-1'));
    const as = (options: object) => connectClient(at.broker.url, { ca: at.trust.caPem(), clientId: 'dev-1', ...options });
    const { key, cert } = await deviceTls(at.trust, 'dev-1');
    await expect(as({ key, cert })).rejects.toThrow('Not authorized');
    await expect(as({ key, cert, username: 'dev-1' })).rejects.toThrow('Not authorized');
    await expect(as({ username: 'dev-1', password: '' })).rejects.toThrow('Not authorized');
    await expect(as({ username: 'flotilla-admin', password: 'guess' })).rejects.toThrow('Not authorized');
  });

  test('admitting a device again does not disturb it', async () => {
    const device = DeviceId.parse('dev-2');
    await at.broker.admit(device);
    const client = await connectDevice(at.broker.publicUrl, await deviceTls(at.trust, 'dev-2'), 'dev-2');
    await at.broker.admit(device);
    await client.publishAsync('fl/v1/default/dev-2/up/event', 'still here', { qos: 1 });
    expect(client.connected).toBe(true);
    await client.endAsync(true);
  });

  test('starting again finds everything as it was', async () => {
    const { url, publicUrl, credentials } = at.broker;
    const config = ControlPlaneConfig.parse({ mqtt: { url, publicUrl, dynsec: credentials } });
    const again = await startBroker({ config, trust: at.trust, log: silent });
    expect(again.kind).toBe('external');
  });

  test('a wrong administrator is one clear sentence', async () => {
    const { url, publicUrl } = at.broker;
    const config = ControlPlaneConfig.parse({
      mqtt: { url, publicUrl, dynsec: { username: 'flotilla-admin', password: 'wrong' } },
    });
    await expect(startBroker({ config, trust: at.trust, log: silent })).rejects.toThrow(
      /^can't connect to the broker at mqtts:.*Not authorized/,
    );
    const without = ControlPlaneConfig.parse({ mqtt: { url, publicUrl } });
    await expect(startBroker({ config: without, trust: at.trust, log: silent })).rejects.toThrow('set mqtt.dynsec');
  });
});

describeWith('mosquitto', 'Mosquitto with an acl_file', () => {
  test('is refused, since it lets a device subscribe what others send', async () => {
    const { trust, dir, close } = await aTrust();
    const acl = join(dir, 'acl');
    await writeFile(acl, 'pattern readwrite fl/v1/default/%u/#\n', { mode: 0o600 });
    const withAcl = (config: string) => config.replaceAll(/^plugin.*$/gm, '').concat(`\nacl_file ${acl}\n`);
    const mosquitto = await startMosquitto(dir, withAcl);
    const publicUrl = `mqtts://localhost:${mosquitto.devicePort}`;
    const broker = { publicUrl, admit: async () => {}, dropSession: async () => {} } as unknown as Broker;
    await expect(checkBroker(broker, trust)).rejects.toThrow(/lets a device subscribe "\$share\/probe\/fl\/v1\/\+\/\+\/up\/#"/);
    await stopProcess(mosquitto.process);
    await close();
  });
});
