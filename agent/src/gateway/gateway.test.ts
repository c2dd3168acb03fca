import { type Server, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { SlotName, SlotPipeline } from '@flotilla/protocol/device';
import { Aedes } from 'aedes';
import { connectAsync, type MqttClient } from 'mqtt';
import { createServer as createTcpServer } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { follow } from '../fixtures/event-stream.js';
import { aLog, eventually } from '../fixtures/eventually.js';
import { type GatewaySlot } from '../gateway-protocol.js';
import { httpHandler } from '../http/http.js';
import { Workshop } from '../runner/fixtures/orders.js';
import { type Served, picture, serve } from '../runner/fixtures/served.js';
import { gatewayRoutes } from './api/routes.js';
import { outputLines } from '../supervisor/output-lines.js';
import { Gateway } from './gateway.js';

const workshop = new Workshop();
const json = { 'content-type': 'application/json' };
type View = Record<string, unknown>;

let folder: string;
let socket: string;
let runner: Served;
let gateway: Gateway;
let server: Server;
let base: string;

beforeEach(async () => {
  folder = await workshop.folder();
  socket = join(folder, 's.sock');
  runner = await serve(workshop, await workshop.smallRelease('colour'), {}, { unix: { path: socket } });
  gateway = new Gateway({ log: aLog(), onSource: () => {} });
  server = createServer(httpHandler(gatewayRoutes(gateway), aLog()));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(async () => {
  await gateway.stop();
  server.closeAllConnections();
  server.close();
  await runner.close();
  await workshop.clear();
});

/** As agent.yaml has it. */
function slot(written: object, from: GatewaySlot['from'] = {}): GatewaySlot {
  return { slot: SlotName.parse('inspection'), socket, ...SlotPipeline.parse(written), from };
}
const configure = (...slots: GatewaySlot[]) =>
  gateway.configure({ type: 'configure', slots, dataDir: folder, device: 'press-1' });

async function ask(path: string, init: RequestInit = {}): Promise<{ status: number; body: View }> {
  const response = await fetch(base + path, init);
  return { status: response.status, body: (await response.json()) as View };
}
const push = async (colour: string) =>
  ask('/v1/slots/inspection/push', {
    method: 'POST',
    headers: { 'content-type': 'image/png' },
    body: new Uint8Array(await picture(colour)),
  });
const command = (id?: string, wait = true) =>
  ask('/v1/slots/inspection/inspections', { method: 'POST', headers: json, body: JSON.stringify({ id, wait }) });

describe('a gateway', () => {
  test('has what is pushed inferred by the slot, and shows the result and its picture', async () => {
    await configure(slot({ source: { push: {} } }, { source: 'agent.yaml' }));
    expect((await ask('/v1/slots/inspection/result')).status).toBe(404);
    expect(await push('red')).toEqual({ status: 200, body: { outcome: 'inferred' } });
    const { body } = await ask('/v1/slots/inspection/result');
    expect(body).toMatchObject({ sequence: 1, quality: 'good', prediction: { top: [{ label: 'red' }, {}] } });
    const seen = await fetch(`${base}/v1/slots/inspection/picture`);
    expect([seen.headers.get('content-type'), Buffer.from(await seen.arrayBuffer())]).toEqual([
      'image/png',
      await picture('red'),
    ]);
    expect(await ask('/v1/slots')).toMatchObject({
      body: { slots: [{ slot: 'inspection', source: { kind: 'push', state: 'running' }, frames: { captured: 1, inferred: 1 } }] },
    });
    expect(await ask('/v1/configuration')).toMatchObject({
      body: { slots: [{ slot: 'inspection', source: { push: { maxMb: 32 }, from: 'agent.yaml' } }] },
    });
    const metrics = await (await fetch(`${base}/metrics`)).text();
    expect(metrics).toContain('flotilla_gateway_frames_total{slot="inspection",outcome="inferred"} 1\n');
    expect(metrics).toContain('flotilla_gateway_source_state{slot="inspection",state="running"} 1\n');
    expect(metrics).toMatch(/flotilla_gateway_result_latency_seconds\{slot="inspection"\} 0\.\d+\n/);
  });

  test('tells its results to who follows them, whichever runner they come from', async () => {
    await configure(slot({ source: { push: {} } }));
    const reader = await follow(`${base}/v1/slots/inspection/results/stream`);
    await push('red');
    await runner.close();
    runner = await serve(workshop, await workshop.smallRelease('colour'), {}, { unix: { path: socket } });
    await push('blue');
    await eventually(() => reader.predictions().length === 2);
    const seen = reader
      .predictions()
      .map(({ id, data }) => [id, (JSON.parse(data!) as { top: [{ label: string }] }).top[0].label]);
    expect(seen).toEqual([
      ['1', 'red'],
      ['2', 'blue'],
    ]);
  });

  test('tells at once who follows results, and who asks, when they are not to be trusted any more', async () => {
    await configure(slot({ source: { push: {} } }));
    const reader = await follow(`${base}/v1/slots/inspection/results/stream`);
    await push('red');
    const status = { slot: SlotName.parse('inspection'), state: 'serving', update: 'idle', swaps: 0, rollBacks: 0 } as const;
    gateway.told({ ...status, drift: 'drifting' });
    await push('red');
    gateway.told({ ...status, drift: 'drifting', swaps: 1 });
    gateway.told({ ...status, drift: 'none', state: 'safe-mode' });
    const told = () => reader.events.filter(({ data }) => data).map(({ event, data }) => [event, JSON.parse(data!).quality]);
    await eventually(() => told().length === 4);
    expect(told()).toEqual([
      ['prediction', 'good'],
      ['quality', 'drifting'],
      ['prediction', 'drifting'],
      ['quality', 'safe-mode'],
    ]);
    expect(await ask('/v1/slots/inspection/result')).toMatchObject({ body: { sequence: 2, quality: 'safe-mode' } });
    expect(await ask('/v1/slots/inspection')).toMatchObject({ body: { latest: { quality: 'safe-mode' } } });
  });

  test('says where results go, and whether they get there', async () => {
    await configure(slot({ source: { push: {} }, outputs: { mqtt: { url: 'mqtt://127.0.0.1:1' } } }));
    await push('red');
    await eventually(() => gateway.outputs[0]?.state === 'waiting');
    expect(await ask('/v1/outputs')).toMatchObject({
      body: { outputs: [{ kind: 'mqtt', slots: ['inspection'], state: 'waiting', sent: 0, queued: 1, dropped: 0 }] },
    });
    const metrics = await (await fetch(`${base}/metrics`)).text();
    for (const line of [
      'flotilla_gateway_output_values_total{output="mqtt",slots="inspection",outcome="dropped"} 0',
      'flotilla_gateway_output_queued{output="mqtt",slots="inspection"} 1',
      'flotilla_gateway_output_state{output="mqtt",slots="inspection",state="waiting"} 1',
    ])
      expect(metrics).toContain(`${line}\n`);
    const address = server.address() as AddressInfo;
    const [[what, how] = []] = await outputLines({ host: address.address, port: address.port });
    expect(what).toBe('inspection mqtt');
    expect(how).toMatch(/^waiting, 0 sent, 1 queued, 0 dropped: mqtt:\/\/127\.0\.0\.1:1: connect ECONNREFUSED/);
  });

  test('answers for a broken picture in a sentence, and goes on', async () => {
    await configure(slot({ source: { push: {} } }));
    const cut = (await picture('red')).subarray(0, 60);
    const broken = await ask('/v1/slots/inspection/push', { method: 'POST', body: new Uint8Array(cut) });
    expect(broken).toMatchObject({ status: 422, body: { outcome: 'refused', error: expect.stringContaining("can't be read") } });
    expect((await push('blue')).status).toBe(200);
  });

  test('looks where the configuration says, and hides what is too uncertain', async () => {
    await configure(slot({ source: { push: {} }, pipeline: { minScore: 0.9999 } }));
    expect((await push('red')).status).toBe(200);
    expect((await ask('/v1/slots/inspection/result')).body).toMatchObject({ prediction: { top: [] } });
  });

  test('leaves alone what is unchanged, and begins anew what is not', async () => {
    await configure(slot({ source: { push: {} } }));
    await push('red');
    await configure(slot({ source: { push: {} } }, { source: 'desired state, epoch 7' }));
    expect((await ask('/v1/slots/inspection/result')).body).toMatchObject({ sequence: 1 });
    expect((await ask('/v1/configuration')).body).toMatchObject({ slots: [{ source: { from: 'desired state, epoch 7' } }] });
    await configure(slot({ source: { push: { maxMb: 1 } } }));
    expect((await ask('/v1/slots/inspection/result')).status).toBe(404);
    await configure();
    expect(await ask('/v1/slots/inspection')).toMatchObject({
      status: 404,
      body: { error: expect.stringContaining('it has: none') },
    });
  });

  test('of a source that it does not know says so, and the others go on', async () => {
    const other = { ...slot({ source: { push: {} } }), slot: SlotName.parse('other') };
    const strange = { ...slot({}), source: { telepathy: true } as never };
    await configure(strange, other);
    await eventually(() => gateway.slots.get('inspection')!.lane.source.state === 'failed');
    expect((await ask('/v1/slots/inspection')).body).toMatchObject({ source: { state: 'failed' } });
    expect((await ask('/v1/slots/other')).body).toMatchObject({ source: { state: 'running' } });
  });
});

describe('a trigger by HTTP', () => {
  test('answers with the result of the part that the command names', async () => {
    await configure(slot({ source: { push: {} }, trigger: {} }));
    expect(await push('green')).toMatchObject({ status: 409, body: { outcome: 'unasked' } });
    const asked = command('part-1');
    await eventually(() => gateway.slots.get('inspection')!.inspections!.handshake.state === 'busy');
    expect(await command('part-2')).toMatchObject({ status: 409, body: { error: expect.stringContaining('busy with part-1') } });
    expect((await push('red')).status).toBe(200);
    const { status, body } = await asked;
    expect([status, body]).toMatchObject([
      200,
      { id: 'part-1', sequence: 1, state: 'done', prediction: { inspection: 'part-1', top: [{ label: 'red' }, {}] } },
    ]);
    expect((await ask('/v1/slots/inspection/inspections/part-1')).body).toEqual(body);
    // Sent twice, captured once.
    expect((await command('part-1')).body).toEqual(body);
  });

  test('that nothing comes for ends in an error, in time', async () => {
    await configure(slot({ source: { push: {} }, trigger: { timeoutMs: 100 } }));
    expect(await command('part-1')).toMatchObject({
      status: 504,
      body: { state: 'error', reason: 'the source had no picture within 100 ms' },
    });
  });

  test('waits for acknowledgements where they are asked for', async () => {
    await configure(slot({ source: { push: {} }, trigger: { acknowledgeMs: 60_000 } }));
    const asked = command('part-1');
    await eventually(() => gateway.slots.get('inspection')!.inspections!.handshake.state === 'busy');
    await push('red');
    expect((await asked).status).toBe(200);
    expect(await command('part-2')).toMatchObject({
      status: 409,
      body: { error: expect.stringContaining('the result of part-1 is not acknowledged yet') },
    });
    const acknowledged = await ask('/v1/slots/inspection/inspections/part-1/acknowledge', { method: 'POST' });
    expect(acknowledged).toEqual({ status: 200, body: { state: 'ready' } });
    expect(await command('part-2', false)).toMatchObject({ status: 202, body: { state: 'busy', sequence: 2 } });
  });

  test.each([
    ['an id that is none', { id: 'a part' }, 400, 'up to 128 letters'],
    ['no trigger', {}, 409, 'has no trigger'],
  ])('refuses %s', async (_what, body, status, error) => {
    await configure(slot({ source: { push: {} }, ...(status === 400 ? { trigger: {} } : {}) }));
    const answer = await ask('/v1/slots/inspection/inspections', { method: 'POST', headers: json, body: JSON.stringify(body) });
    expect(answer).toMatchObject({ status, body: { error: expect.stringContaining(error) } });
  });

  test('does not go with a stream of samples, and says so', async () => {
    await configure(slot({ source: { audio: '/dev/null' }, trigger: {} }));
    expect((await ask('/v1/slots/inspection')).body).toMatchObject({
      source: { state: 'failed', reason: expect.stringContaining('a stream of samples') },
    });
  });

  test('can be closed to HTTP, and knows no inspection that there was not', async () => {
    await configure(slot({ source: { push: {} }, trigger: { api: false } }));
    expect((await command('part-1')).status).toBe(403);
    expect((await ask('/v1/slots/inspection/inspections/part-1')).status).toBe(404);
  });
});

describe('a trigger by MQTT', () => {
  let client: MqttClient;
  let close: () => void;
  let url: string;
  const told: [string, View][] = [];
  beforeEach(async () => {
    const broker = await Aedes.createBroker();
    const tcp = createTcpServer(broker.handle);
    await new Promise<void>((resolve) => tcp.listen(0, '127.0.0.1', resolve));
    url = `mqtt://127.0.0.1:${(tcp.address() as AddressInfo).port}`;
    client = await connectAsync(url);
    told.length = 0;
    client.on('message', (topic, payload) => void told.push([topic, JSON.parse(payload.toString()) as View]));
    await client.subscribeAsync(['line3/state', 'line3/result'], { qos: 1 });
    close = () => {
      broker.close();
      tcp.close();
    };
  });
  afterEach(async () => {
    await client.endAsync(true);
    close();
  });
  const results = () => told.filter(([topic]) => topic === 'line3/result').map(([, body]) => body);
  const states = () => told.filter(([topic]) => topic === 'line3/state').map(([, body]) => body['state']);

  test('tells its states and results, and takes commands and acknowledgements', async () => {
    await configure(slot({ source: { push: {} }, trigger: { mqtt: { url, topic: 'line3' }, acknowledgeMs: 60_000 } }));
    await eventually(() => states().includes('ready'));
    await client.publishAsync('line3', '{"id": "part-1"}', { qos: 1 });
    await eventually(() => states().includes('busy'));
    await push('blue');
    await eventually(() => results().length === 1);
    expect(results()[0]).toMatchObject({
      id: 'part-1',
      sequence: 1,
      state: 'done',
      prediction: { top: [{ label: 'blue' }, {}] },
    });
    await client.publishAsync('line3', 'part-2', { qos: 1 });
    await eventually(() => results().length === 2);
    expect(results()[1]).toMatchObject({ id: 'part-2', state: 'refused', reason: expect.stringContaining('not acknowledged') });
    await client.publishAsync('line3/acknowledge', 'part-1', { qos: 1 });
    await eventually(() => states().at(-1) === 'ready');
    expect(states()).toEqual(['ready', 'busy', 'done', 'ready']);
    await client.publishAsync('line3', '{"id": "part 3"}', { qos: 1 });
    await eventually(() => results().some(({ reason }) => String(reason).startsWith('a command is')));
  });

  test('says that it is gone when it goes', async () => {
    await configure(slot({ source: { push: {} }, trigger: { mqtt: { url, topic: 'line3' } } }));
    await eventually(() => states().includes('ready'));
    await configure();
    await eventually(() => states().at(-1) === 'offline');
  });
});
