import { spawnSync } from 'node:child_process';
import { copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { eventually } from '@flotilla/agent/fixtures/eventually';
import { CollectingSink } from '@flotilla/agent/gateway/fixtures/collecting-sink';
import { Folders } from '@flotilla/agent/gateway/fixtures/folders';
import { wav } from '@flotilla/agent/gateway/fixtures/wav';
import { BrokerSource } from '@flotilla/agent/gateway/sources/mqtt';
import { freePort } from '@flotilla/agent/supervisor/fixtures/loopback';
import { MqttSource } from '@flotilla/protocol';
import { connectAsync, type MqttClient } from 'mqtt';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { aTrust } from '../support/credentials.js';
import { PlainMosquitto } from '../support/plain-mosquitto.js';
import { describeWith } from '../support/required.js';

const jpeg = Buffer.from([0xff, 0xd8, 0xff, 0xe0, 0, 0]);
const features = (t: number) => JSON.stringify({ t });

describeWith('mosquitto', 'messages of a broker', () => {
  const folders = new Folders();
  const open: (() => Promise<unknown>)[] = [];
  let folder: string;
  let port: number;
  let broker: PlainMosquitto;

  beforeEach(async () => {
    folder = await folders.make();
    port = await freePort();
    broker = await aBroker();
  });
  afterEach(async () => {
    for (const close of open.splice(0).toReversed()) await close();
    await folders.clear();
  });

  async function aBroker(lines?: readonly string[]): Promise<PlainMosquitto> {
    const made = new PlainMosquitto(folder, port, lines);
    open.push(() => made.stop());
    await made.start();
    return made;
  }

  async function aMachine(): Promise<MqttClient> {
    const client = await connectAsync(`mqtt://127.0.0.1:${port}`);
    open.push(async () => client.end(true));
    return client;
  }

  function begin(config: object = {}, sink = new CollectingSink()) {
    const source = new BrokerSource(MqttSource.parse({ mqtt: `mqtt://127.0.0.1:${port}`, topic: 'line/#', ...config }), {
      slot: 'line-1',
      folder: join(folder, 'line-1'),
    });
    open.push(() => source.stop());
    source.start(sink);
    return { sink, source };
  }
  const isRunning = (sink: CollectingSink) => eventually(() => sink.now?.state === 'running');

  it('are known by their content, named by their topic, and counted where they are broken', async () => {
    const { sink } = begin({ maxMb: 0.01 });
    await isRunning(sink);
    const machine = await aMachine();
    const payloads: [string, string | Buffer][] = [
      ['line/1', jpeg],
      ['line/2', features(1)],
      ['line/3', wav([0.5], { rate: 8000 })],
      ['line/4', 'hello'],
      ['line/5', '{"t": '],
      ['line/6', Buffer.alloc(20_000)],
      ['line/7', ''],
      ['line/8', features(2)],
    ];
    for (const [topic, payload] of payloads) await machine.publishAsync(topic, payload, { qos: 1 });
    await eventually(() => sink.submitted.length === 4);
    expect(sink.submitted).toMatchObject([
      { name: 'line/1', payload: { kind: 'encoded' } },
      { name: 'line/2', payload: { kind: 'features' } },
      { name: 'line/3', payload: { kind: 'signal', rate: 8000, channels: 1 } },
      { name: 'line/8', payload: { kind: 'features' } },
    ]);
    expect(sink.losses.map(({ name }) => name)).toEqual(expect.arrayContaining(['line/4', 'line/5', 'line/6']));
    expect(sink.losses).toHaveLength(3);
    expect(sink.losses.find(({ name }) => name === 'line/6')?.reason).toContain('has 20000 bytes, more than maxMb allows');
  });

  it('at QoS 1 are acknowledged when they are through: what is in hand when the device dies comes again', async () => {
    const never = new CollectingSink(() => new Promise(() => {}));
    const { source } = begin({}, never);
    await isRunning(never);
    const machine = await aMachine();
    await machine.publishAsync('line/1', features(1), { qos: 1 });
    await machine.publishAsync('line/1', features(2), { qos: 1 });
    await eventually(() => never.submitted.length === 1);
    await source.stop();
    await machine.publishAsync('line/1', features(3), { qos: 1 });
    const { sink } = begin();
    await eventually(() => sink.submitted.length === 3);
    expect(sink.features).toEqual([{ t: 1 }, { t: 2 }, { t: 3 }]);
    expect(never.submitted).toHaveLength(1);
  });

  it('are not inferred twice when the connection falls meanwhile, nor lost while nothing takes them', async () => {
    const through = Promise.withResolvers<'inferred'>();
    const { sink } = begin({}, new CollectingSink(() => (sink.submitted.length === 1 ? 'busy' : through.promise)));
    await isRunning(sink);
    const machine = await aMachine();
    await machine.publishAsync('line/1', features(1), { qos: 1 });
    await eventually(() => sink.submitted.length === 2);
    // Ended in order, so that it keeps its sessions.
    await broker.stop();
    await eventually(() => sink.now?.state === 'waiting');
    expect(sink.now?.reason).toContain(`mqtt://127.0.0.1:${port}`);
    await broker.start();
    await isRunning(sink);
    through.resolve('inferred');
    const again = await aMachine();
    await again.publishAsync('line/1', features(2), { qos: 1 });
    await eventually(() => sink.submitted.length === 3);
    expect(sink.features).toEqual([{ t: 1 }, { t: 1 }, { t: 2 }]);
  });

  it('at QoS 0 are offered', async () => {
    const { sink } = begin({ qos: 0 });
    await isRunning(sink);
    const machine = await aMachine();
    await machine.publishAsync('line/1', jpeg, { qos: 1 });
    await eventually(() => sink.offered.length === 1);
    expect(sink.submitted).toEqual([]);
  });

  it('that are retained come once, and again when they change', async () => {
    const machine = await aMachine();
    await machine.publishAsync('line/1', features(1), { qos: 1, retain: true });
    const { sink } = begin();
    await eventually(() => sink.submitted.length === 1);
    await broker.stop();
    await eventually(() => sink.now?.state === 'waiting');
    await broker.start();
    await isRunning(sink);
    await machine.publishAsync('line/2', features(2), { qos: 1 });
    await eventually(() => sink.submitted.length === 2);
    expect(sink.features).toEqual([{ t: 1 }, { t: 2 }]);
  });

  it('of another topic come no more once it was changed', async () => {
    const { sink: first, source } = begin({ topic: 'old' });
    await isRunning(first);
    await source.stop();
    const machine = await aMachine();
    await machine.publishAsync('old', features(1), { qos: 1 });
    const { sink } = begin({ topic: 'new' });
    await isRunning(sink);
    await machine.publishAsync('old', features(2), { qos: 1 });
    await machine.publishAsync('new', features(3), { qos: 1 });
    await eventually(() => sink.submitted.length > 0);
    expect(sink.features).toEqual([{ t: 3 }]);
  });

  it('need the right password, and a broker that grants the topic; each is said', async () => {
    await broker.stop();
    const [passwords, acl, secret] = ['passwords', 'acl', 'secret'].map((name) => join(folder, name)) as [string, string, string];
    expect(spawnSync('mosquitto_passwd', ['-b', '-c', passwords, 'line', 'right']).status).toBe(0);
    await writeFile(acl, 'user line\ntopic read line/#\n');
    await aBroker(['allow_anonymous false', `password_file ${passwords}`, `acl_file ${acl}`]);
    const config = { username: 'line', passwordFile: secret };
    const { sink } = begin(config);
    await eventually(() => sink.now?.state === 'failed');
    expect(sink.now?.reason).toContain(`${secret} can not be read`);
    await writeFile(secret, 'wrong\n');
    await eventually(() => sink.now?.reason?.includes('Not authorized'));
    expect(sink.now?.state).toBe('failed');
    await writeFile(secret, 'right\n');
    await isRunning(sink);
  });

  it('come over TLS from a broker whose certificate is of the authority that was named, and from no other', async () => {
    await broker.stop();
    const { dir, close } = await aTrust();
    open.push(close);
    const [certificate, key] = ['server.pem', 'server.key.pem'].map((name) => join(folder, name)) as [string, string];
    await copyFile(join(dir, 'secrets', 'server.pem'), certificate);
    await copyFile(join(dir, 'secrets', 'server.key.pem'), key);
    await aBroker(['allow_anonymous true', `certfile ${certificate}`, `keyfile ${key}`]);
    const mqtt = `mqtts://localhost:${port}`;
    const { sink: distrustful } = begin({ mqtt, clientId: 'another' });
    await eventually(() => distrustful.now?.state === 'waiting');
    expect(distrustful.now?.reason).toMatch(/certificate/);
    const { sink } = begin({ mqtt, caFile: join(dir, 'secrets', 'fleet-ca.pem') });
    await isRunning(sink);
  });

  it('are waited for where there is no broker, and let go of within its time', async () => {
    await broker.stop();
    const { sink, source } = begin();
    await eventually(() => sink.now?.state === 'waiting');
    expect(sink.now?.reason).toContain('ECONNREFUSED');
    await source.stop();
  });
});
