import { spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { aLog, eventually } from '@flotilla/agent/fixtures/eventually';
import { FedPort } from '@flotilla/agent/gateway/fixtures/ports';
import { Folders } from '@flotilla/agent/gateway/fixtures/folders';
import { openOutput } from '@flotilla/agent/gateway/outputs/open';
import type { Output } from '@flotilla/agent/gateway/outputs/output';
import { freePort } from '@flotilla/agent/supervisor/fixtures/loopback';
import { MqttOutput } from '@flotilla/protocol';
import { connectAsync, type MqttClient } from 'mqtt';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { PlainMosquitto } from '../support/plain-mosquitto.js';
import { describeWith } from '../support/required.js';

type Message = Record<string, unknown> & { sequence: number };
const topic = 'factory/press-1/inspection';

describeWith('mosquitto', 'an MQTT output', () => {
  const folders = new Folders();
  const open: (() => unknown)[] = [];
  let folder: string;
  let port: number;
  let broker: PlainMosquitto;
  let fed: FedPort;

  beforeEach(async () => {
    folder = await folders.make();
    port = await freePort();
    broker = await aBroker();
    fed = new FedPort();
    open.push(() => fed.port.close());
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

  async function begin(more: object = {}): Promise<Output> {
    const settings = MqttOutput.parse({ url: `mqtt://127.0.0.1:${port}`, topic: 'factory/{device}/{slot}', ...more });
    const slots = [{ port: fed.port, settings }];
    const output = await openOutput('mqtt', { settings, slots, device: 'press-1', folder, log: aLog() });
    output.start();
    open.push(() => output.stop('shutdown'));
    return output;
  }
  const isRunning = (output: Output) => eventually(() => output.status.state === 'running');

  /** Someone who reads `filter`, and whose session the broker keeps. */
  async function aReader(filter: string) {
    const heard: { topic: string; text: string; retain: boolean }[] = [];
    const client: MqttClient = await connectAsync(`mqtt://127.0.0.1:${port}`, {
      clean: false,
      clientId: `reader-${port}`,
      reconnectPeriod: 20,
    });
    client.on('error', () => undefined);
    open.push(() => client.end(true));
    client.on('message', (on, payload, { retain }) => heard.push({ topic: on, text: payload.toString(), retain }));
    await client.subscribeAsync(filter, { qos: 1 });
    const on = (its: string) => heard.filter((each) => each.topic === its);
    const last = (its: string) => JSON.parse(on(its).at(-1)?.text ?? '{}') as Message;
    return { client, heard, on, last, readings: () => on(topic).map(({ text }) => JSON.parse(text) as Message) };
  }

  it('tells each reading, keeps the latest for whoever comes later, and says what the slot serves', async () => {
    const output = await begin();
    await isRunning(output);
    const reader = await aReader('factory/#');
    await eventually(() => reader.last(topic)['quality'] === 'stale');
    fed.tell({ release: 'm@1.0.0', swaps: 1 });
    fed.publish({ top: [{ label: 'cat', index: 3, score: 0.9 }] });
    await eventually(() => reader.readings().length === 3);
    expect(reader.last(topic)).toMatchObject({ quality: 'good', label: 'cat', historical: false, prediction: { id: 'p' } });
    expect(reader.last(`${topic}/status`)).toMatchObject({
      state: 'online',
      serving: 'serving',
      release: 'm@1.0.0',
      swaps: 1,
      rollBacks: 0,
    });
    await eventually(() => output.status.queued === 0);
    expect(output.status).toEqual({ state: 'running', sent: 3, queued: 0, dropped: 0 });
  });

  it('loses nothing while its broker is begun anew, and marks what waited', async () => {
    const output = await begin();
    await isRunning(output);
    const reader = await aReader(topic);
    const flow = setInterval(() => fed.publish(), 2);
    open.push(() => clearInterval(flow));
    await eventually(() => reader.readings().length > 100);
    await broker.stop();
    await eventually(() => output.status.state === 'waiting');
    expect(output.status.reason).toContain(`mqtt://127.0.0.1:${port}: `);
    const before = fed.port.latest.sequence;
    await eventually(() => fed.port.latest.sequence > before + 100);
    await broker.start();
    await isRunning(output);
    await eventually(() => reader.readings().at(-1)!.sequence > before + 200);
    clearInterval(flow);
    await eventually(() => output.status.queued === 0 && reader.last(topic).sequence === fed.port.latest.sequence);
    const sequences = new Set(reader.readings().map(({ sequence }) => sequence));
    expect(sequences).toEqual(new Set(Array.from({ length: fed.port.latest.sequence }, (_, n) => n + 1)));
    const waited = reader.readings().filter(({ sequence }) => sequence > before && sequence < before + 100);
    expect(waited.every(({ historical }) => historical === true)).toBe(true);
    expect(output.status.dropped).toBe(0);
  });

  it('leaves nothing behind that looks fresh', async () => {
    const output = await begin();
    await isRunning(output);
    fed.publish();
    await output.stop('shutdown');
    const reader = await aReader('factory/#');
    await eventually(() => reader.heard.length === 2);
    expect(reader.last(topic)).toMatchObject({ quality: 'stale', reason: 'the gateway was stopped', sequence: 2 });
    expect(reader.last(`${topic}/status`)).toMatchObject({ state: 'offline', reason: 'the gateway was stopped' });
  });

  it('is said to be offline by the broker when it dies', async () => {
    const link = await aCuttable(port);
    const output = await begin({ url: `mqtt://127.0.0.1:${link.port}` });
    await isRunning(output);
    const reader = await aReader(`${topic}/status`);
    link.close();
    await eventually(() => reader.last(`${topic}/status`)['state'] === 'offline');
  });

  it('is found by Home Assistant, with values as they are seen, and is forgotten when it is taken away', async () => {
    const output = await begin({ homeAssistant: { prefix: 'ha' } });
    await isRunning(output);
    const reader = await aReader('ha/#');
    const at = (object: string) => `ha/sensor/flotilla-press-1-inspection/${object}/config`;
    await eventually(() => reader.heard.length === 5);
    expect(reader.heard.every(({ retain }) => retain)).toBe(true);
    fed.publish({ values: [{ name: 'width', value: 2.5, unit: 'mm' }] });
    fed.publish({ values: [{ name: 'width', value: 2.6, unit: 'mm' }] });
    await eventually(() => reader.heard.length === 6);
    expect(reader.last(at('value-width'))).toMatchObject({ unit_of_measurement: 'mm', state_topic: topic });
    await output.stop('removed');
    await eventually(() => reader.heard.length === 12);
    expect(reader.heard.slice(6).every(({ text }) => text === '')).toBe(true);
  });

  it('waits for a broker that is not there, and says in a sentence why one refuses it', async () => {
    await broker.stop();
    const [passwords, secret] = [join(folder, 'passwords'), join(folder, 'secret')];
    const output = await begin({ username: 'line', passwordFile: secret });
    await eventually(() => output.status.state === 'failed');
    expect(output.status.reason).toContain(`${secret} can not be read`);
    await writeFile(secret, 'wrong\n');
    await eventually(() => output.status.state === 'waiting');
    expect(output.status.reason).toContain('ECONNREFUSED');
    expect(spawnSync('mosquitto_passwd', ['-b', '-c', passwords, 'line', 'right']).status).toBe(0);
    await aBroker(['allow_anonymous false', `password_file ${passwords}`]);
    await eventually(() => output.status.reason?.includes('Not authorized'));
    expect(output.status.state).toBe('failed');
    await writeFile(secret, 'right\n');
    await isRunning(output);
  });

  it('is not held up by a broker that takes nothing, and keeps no more than it may', async () => {
    const deaf = createServer((socket) => {
      // A CONNACK, and then not a byte is read.
      socket.once('data', () => socket.pause().write(Buffer.from([0x20, 0x02, 0x00, 0x00])));
      socket.on('error', () => undefined);
      open.push(() => socket.destroy());
    });
    await new Promise<void>((resolve) => deaf.listen(0, '127.0.0.1', resolve));
    open.push(() => deaf.close());
    const { port: deafPort } = deaf.address() as { port: number };
    const output = await begin({ url: `mqtt://127.0.0.1:${deafPort}` });
    await isRunning(output);
    for (let n = 0; n < 12_000; n++) fed.publish();
    expect(output.status.queued).toBeLessThanOrEqual(10_016);
    expect(output.status.dropped! + output.status.queued!).toBe(12_001);
  });
});

/** A way to the broker that can be cut without a word. */
async function aCuttable(to: number) {
  const ends = new Set<{ destroy: () => void }>();
  const server = createServer((socket) => {
    const onward = connect(to, '127.0.0.1');
    for (const end of [socket, onward]) {
      ends.add(end);
      end.on('error', () => undefined);
    }
    socket.pipe(onward).pipe(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const close = () => {
    server.close();
    for (const end of ends) end.destroy();
  };
  return { port: (server.address() as { port: number }).port, close };
}
