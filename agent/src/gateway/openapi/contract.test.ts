import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { SlotName, SlotPipeline } from '@flotilla/protocol/device';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { aLog, eventually } from '../../fixtures/eventually.js';
import { answerOf, answerSchema, describedRoutes, type OpenApiDocument, servedRoutes } from '../../fixtures/open-api.js';
import { httpHandler } from '../../http/http.js';
import { Workshop } from '../../runner/fixtures/orders.js';
import { picture, type Served, serve } from '../../runner/fixtures/served.js';
import { gatewayRoutes } from '../api/routes.js';
import { Gateway } from '../gateway.js';
import { gatewayOpenApiFile, gatewayOpenApiText } from './write.js';

const workshop = new Workshop();
const json = 'application/json';
const slots = '/v1/slots/{slot}';
let folder: string;
let runner: Served;
let gateway: Gateway;
let server: Server;
let base: string;
let document: OpenApiDocument;

/** Slots of one runner: pushed to, asked by a trigger, without anything yet, never in time, closed to HTTP. */
beforeAll(async () => {
  folder = await workshop.folder();
  const socket = join(folder, 's.sock');
  runner = await serve(workshop, await workshop.smallRelease('colour'), {}, { unix: { path: socket } });
  gateway = new Gateway({ log: aLog(), onSource: () => {} });
  server = createServer(httpHandler(gatewayRoutes(gateway), aLog()));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const pipeline = { crop: { left: 0, top: 0, width: 1, height: 1, unit: 'fraction' }, minScore: 0.1 };
  await configure({
    inspection: { source: { push: {} } },
    asked: { source: { push: {} }, trigger: { timeoutMs: 10_000 } },
    empty: { source: { directory: join(folder, 'nowhere') }, record: { folder: join(folder, 'kept'), maxMb: 1 } },
    late: { source: { push: {} }, trigger: { timeoutMs: 10 }, pipeline },
    closed: { source: { push: {} }, trigger: { api: false } },
  });
  document = (await (await fetch(`${base}/openapi.json`)).json()) as OpenApiDocument;
});
afterAll(async () => {
  await gateway.stop();
  server.closeAllConnections();
  server.close();
  await runner.close();
  await workshop.clear();
});

const configure = (slots: Record<string, object>) =>
  gateway.configure({
    type: 'configure',
    device: 'device-1',
    dataDir: folder,
    slots: Object.entries(slots).map(([name, written]) => ({
      slot: SlotName.parse(name),
      socket: join(folder, 's.sock'),
      ...SlotPipeline.parse(written),
      from: { source: 'agent.yaml', trigger: 'desired state, epoch 7' },
    })),
  });

async function expectDescribed(path: string, sent: { method?: string; at: string; body?: string | Uint8Array; type?: string }) {
  const { method = 'GET', at, body, type } = sent;
  const headers: Record<string, string> = type ? { 'content-type': type } : {};
  const given = await answerOf({ method, url: base + at, headers, ...(body === undefined ? {} : { body }) });
  const content = document.paths[path]![method.toLowerCase()]!.responses[given.status]?.content;
  expect(Object.keys(content ?? {})).toContain(given.type);
  const { schema } = content![given.type]!;
  if (given.type === json && schema && Object.keys(schema).length > 0)
    expect(answerSchema(document, schema).safeParse(JSON.parse(given.body)).error).toBeUndefined();
  return given;
}

test('the description is the checked-in one', () => {
  expect(gatewayOpenApiText()).toBe(readFileSync(gatewayOpenApiFile, 'utf8'));
  expect(document).toEqual(JSON.parse(gatewayOpenApiText()));
});

test('it describes every route, and no other', () =>
  expect(describedRoutes(document)).toEqual(servedRoutes(gatewayRoutes(gateway))));

describe('an answer is what the description says:', () => {
  beforeAll(async () => {
    const at = '/v1/slots/inspection/push';
    const given = await answerOf({ method: 'POST', url: base + at, body: await picture('red') });
    expect(given.status).toBe(200);
  });

  test.each<[string, string, number]>([
    ['/healthz', '/healthz', 200],
    ['/metrics', '/metrics', 200],
    ['/openapi.json', '/openapi.json', 200],
    ['/v1/slots', '/v1/slots', 200],
    ['/v1/configuration', '/v1/configuration', 200],
    ['/v1/outputs', '/v1/outputs', 200],
    [slots, '/v1/slots/inspection', 200],
    [slots, '/v1/slots/asked', 200],
    [slots, '/v1/slots/none', 404],
    [`${slots}/result`, '/v1/slots/inspection/result', 200],
    [`${slots}/result`, '/v1/slots/empty/result', 404],
    [`${slots}/results/stream`, '/v1/slots/inspection/results/stream', 200],
    [`${slots}/picture`, '/v1/slots/inspection/picture', 200],
    [`${slots}/picture`, '/v1/slots/empty/picture', 404],
    [`${slots}/inspections/{id}`, '/v1/slots/asked/inspections/none', 404],
    [`${slots}/inspections/{id}`, '/v1/slots/inspection/inspections/none', 409],
  ])('GET %s at %s is a %i', async (path, at, status) => expect((await expectDescribed(path, { at })).status).toBe(status));

  test.each<[string, string, { body?: string; type?: string }, number]>([
    ['push', 'inspection', {}, 400],
    ['push', 'inspection', { body: 'x', type: 'text/plain' }, 415],
    ['push', 'inspection', { body: '{"a":1}', type: json }, 422],
    ['push', 'asked', { body: '{"a":1}', type: json }, 409],
    ['push', 'empty', { body: 'x' }, 409],
    ['push', 'none', { body: 'x' }, 404],
    ['inspections', 'asked', { body: '{"id":"a part"}', type: json }, 400],
    ['inspections', 'late', {}, 504],
    ['inspections', 'closed', {}, 403],
    ['inspections', 'inspection', {}, 409],
  ])('POST %s of %s with %j is a %i', async (what, slot, sent, status) => {
    const given = await expectDescribed(`${slots}/${what}`, { method: 'POST', at: `/v1/slots/${slot}/${what}`, ...sent });
    expect(given.status).toBe(status);
  });

  test('an inspection, from its command to its acknowledgement', async () => {
    await configure({ inspection: { source: { push: {} }, trigger: { timeoutMs: 10_000, acknowledgeMs: 60_000 } } });
    const [at, path] = ['/v1/slots/inspection/inspections', `${slots}/inspections`];
    const command = (body: object) => expectDescribed(path, { method: 'POST', at, body: JSON.stringify(body), type: json });
    expect((await command({ id: 'part-1', wait: false })).status).toBe(202);
    await expectDescribed(`${path}/{id}/acknowledge`, { method: 'POST', at: `${at}/part-1/acknowledge` });
    const pushed = { method: 'POST', at: '/v1/slots/inspection/push', body: await picture('red'), type: 'image/png' };
    expect((await expectDescribed(`${slots}/push`, pushed)).status).toBe(200);
    await eventually(() => gateway.slots.get('inspection')!.inspections!.handshake.state === 'done');
    expect((await expectDescribed(`${path}/{id}`, { at: `${at}/part-1` })).status).toBe(200);
    expect((await command({ id: 'part-1' })).status).toBe(200);
    expect((await command({ id: 'part-2' })).status).toBe(409);
    await expectDescribed(slots, { at: '/v1/slots/inspection' });
    const acknowledged = await expectDescribed(`${path}/{id}/acknowledge`, { method: 'POST', at: `${at}/part-1/acknowledge` });
    expect(acknowledged).toMatchObject({ status: 200, body: '{"state":"ready"}' });
  });

  test('and one that is not would be noticed', () => {
    const { schema } = document.paths['/healthz']!['get']!.responses['200']!.content[json]!;
    expect(answerSchema(document, schema!).safeParse({ status: 'well' }).success).toBe(false);
    expect(answerSchema(document, schema!).safeParse({ status: 'ok', more: 1 }).success).toBe(false);
  });
});
