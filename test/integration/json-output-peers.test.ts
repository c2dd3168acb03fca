import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { aLog, eventually } from '@flotilla/agent/fixtures/eventually';
import { Folders } from '@flotilla/agent/gateway/fixtures/folders';
import { FedPort } from '@flotilla/agent/gateway/fixtures/ports';
import { openOutput } from '@flotilla/agent/gateway/outputs/open';
import { freePort } from '@flotilla/agent/supervisor/fixtures/loopback';
import { MqttOutput, WebhookOutput } from '@flotilla/protocol';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Peer } from '../support/peer.js';
import { PlainMosquitto } from '../support/plain-mosquitto.js';
import { describeWith } from '../support/required.js';

const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const folders = new Folders();
let open: (() => unknown)[];
let folder: string;
let fed: FedPort;
beforeEach(async () => {
  folder = await folders.make();
  fed = new FedPort();
  open = [() => fed.port.close()];
});
afterEach(async () => {
  for (const close of open.toReversed()) await close();
  await folders.clear();
});

type Message = { topic: string; retain: boolean; qos: number; body: Record<string, unknown> };

async function aBrokerWithReadings(): Promise<number> {
  const port = await freePort();
  const broker = new PlainMosquitto(folder, port);
  open.push(() => broker.stop());
  await broker.start();
  const settings = MqttOutput.parse({ url: `mqtt://127.0.0.1:${port}`, topic: 'line3/{slot}' });
  const slots = [{ port: fed.port, settings }];
  const output = await openOutput('mqtt', { settings, slots, device: 'press-1', folder, log: aLog() });
  open.push(() => output.stop());
  output.start();
  await eventually(() => output.status.state === 'running');
  return port;
}

describeWith('mosquitto', 'mosquitto_sub', () => {
  it('reads the retained latest, and those that follow', async () => {
    const port = await aBrokerWithReadings();
    fed.publish({ top: [{ label: 'scratch', index: 2, score: 0.75 }] });
    const program = spawn('mosquitto_sub', ['-p', String(port), '-t', 'line3/inspection', '-F', '%r %p']);
    open.push(() => program.kill());
    const lines: string[] = [];
    createInterface({ input: program.stdout }).on('line', (line) => lines.push(line));
    await eventually(() => lines.some((line) => line.includes('"label":"scratch"')));
    expect(lines[0]).toMatch(/^1 \{"historical":(true|false),"id":"inspection-/);
    fed.tell({ state: 'safe-mode' });
    await eventually(() => lines.at(-1)!.startsWith('0 ') && lines.at(-1)!.includes('"quality":"safe-mode"'));
  });
});

describeWith('peers', 'in Python', () => {
  it('paho-mqtt reads what a slot answers and how far it can be trusted', async () => {
    const port = await aBrokerWithReadings();
    const reader = new Peer('mqtt_reader.py', port, 'line3/#');
    open.push(() => reader.stop());
    await reader.next();
    const topics = new Set([(await reader.next<Message>()).topic, (await reader.next<Message>()).topic]);
    expect(topics).toEqual(new Set(['line3/inspection', 'line3/inspection/status']));
    fed.publish({ values: [{ name: 'width', value: 2.5, unit: 'mm' }], inspection: 'part-7' });
    const { body, ...around } = await reader.next<Message>();
    expect(around).toEqual({ topic: 'line3/inspection', retain: false, qos: 1 });
    expect(body).toMatchObject({ quality: 'good', values: { width: 2.5 }, units: { width: 'mm' }, inspection: 'part-7' });
    fed.tell({ drift: 'drifting' });
    const [first, second] = [await reader.next<Message>(), await reader.next<Message>()];
    const drifting = first.topic === 'line3/inspection' ? first : second;
    expect(drifting.body).toMatchObject({ quality: 'drifting', values: { width: 2.5 } });
  });

  it('standardwebhooks finds the signature right, and refuses one of another secret', async () => {
    const receiver = new Peer('webhook_receiver.py', secret);
    open.push(() => receiver.stop());
    const { port } = await receiver.next<{ port: number }>();
    const secretFile = join(folder, 'secret');
    await writeFile(secretFile, 'a secret that it does not know\n');
    const settings = WebhookOutput.parse({ url: `http://127.0.0.1:${port}/`, secretFile });
    const slots = [{ port: fed.port, settings }];
    const output = await openOutput('webhook', { settings, slots, device: 'press-1', folder, log: aLog() });
    open.push(() => output.stop());
    output.start();
    expect(await receiver.next()).toHaveProperty('refused');
    await eventually(() => output.status.state === 'failed');
    expect(output.status.reason).toContain('it answers 401: does it know the secret?');
    await writeFile(secretFile, secret);
    await eventually(() => output.status.sent === 1);
    let said: { event?: { type: string; data: { readings: object[] } } };
    do said = await receiver.next();
    while (!said.event);
    expect(said.event).toMatchObject({ type: 'flotilla.readings', data: { readings: [{ quality: 'stale' }] } });
  });
});
