import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { answerOf, answerSchema, describedRoutes, type OpenApiDocument, servedRoutes } from '../../fixtures/open-api.js';
import { Workshop } from '../fixtures/orders.js';
import { type Served, images, serve } from '../fixtures/served.js';
import { slotOpenApiFile, slotOpenApiText } from './write.js';

const workshop = new Workshop();
let ranked: Served;
let plain: Served;
let broken: Served;
let document: OpenApiDocument;
beforeAll(async () => {
  ranked = await serve(workshop, await workshop.smallRelease('colour'));
  plain = await serve(workshop, await workshop.smallRelease('colour', { preprocess: [], postprocess: [] }));
  broken = await serve(workshop, await workshop.smallRelease('nan'));
  document = (await (await fetch(`${ranked.base}/openapi.json`)).json()) as OpenApiDocument;
});
afterAll(async () => {
  await Promise.all([ranked, plain, broken].map((slot) => slot.close()));
  await workshop.clear();
});

const schemaOf = (schema: Record<string, unknown>) => answerSchema(document, schema);

test('the description is the checked-in one', async () => {
  expect(slotOpenApiText()).toBe(readFileSync(slotOpenApiFile, 'utf8'));
  expect(document).toEqual(JSON.parse(slotOpenApiText()));
});

test('it describes every route, and no other', () => {
  expect(describedRoutes(document)).toEqual(servedRoutes(ranked.serving.routes));
});

type Sent = { path: string; body?: string | Uint8Array<ArrayBuffer>; headers?: Record<string, string>; to?: () => Served };
const type = 'application/json';
const post = (path: string, body: unknown, more: Partial<Sent> = {}): Sent => ({
  path,
  body: JSON.stringify(body),
  headers: { 'content-type': type },
  ...more,
});
const infer = '/v2/models/inspection/infer';
const predict = '/v1/slots/inspection/predict';
const inBytes = { inputs: [images()], parameters: { binary_data_output: true } };

const answer = (method: string, { path, to = () => ranked, ...sent }: Sent) =>
  answerOf({ method, url: to().base + path, ...sent });

describe('an answer is what the description says:', () => {
  test.each<[string, string, Sent, number]>([
    ['get', '/healthz', { path: '/healthz' }, 200],
    ['get', '/readyz', { path: '/readyz' }, 200],
    ['get', '/v1/slots', { path: '/v1/slots' }, 200],
    ['get', '/metrics', { path: '/metrics' }, 200],
    ['get', '/openapi.json', { path: '/openapi.json' }, 200],
    ['post', '/v1/slots/{slot}/predict', post(predict, { inputs: { images: images().data } }), 200],
    ['post', '/v1/slots/{slot}/predict', post(predict, { inputs: { images: images().data } }, { to: () => plain }), 200],
    ['post', '/v1/slots/{slot}/predict', post(predict, { inputs: { images: images().data } }, { to: () => broken }), 500],
    ['post', '/v1/slots/{slot}/predict', post(predict, {}), 400],
    ['post', '/v1/slots/{slot}/predict', { path: predict, body: 'x' }, 415],
    ['post', '/v1/slots/{slot}/predict', post('/v1/slots/other/predict', {}), 404],
    ['get', '/v1/slots/{slot}/predictions/latest', { path: '/v1/slots/inspection/predictions/latest' }, 200],
    ['get', '/v1/slots/{slot}/predictions/latest', { path: '/v1/slots/inspection/predictions/latest', to: () => broken }, 404],
    ['get', '/v1/slots/{slot}/predictions/stream', { path: '/v1/slots/inspection/predictions/stream' }, 200],
    ['post', '/v1/slots/{slot}/feedback', post('/v1/slots/inspection/feedback', {}), 400],
    ['post', '/v1/slots/{slot}/feedback', post('/v1/slots/inspection/feedback', { id: 'x', verdict: 'confirmed' }), 404],
    ['get', '/v2', { path: '/v2' }, 200],
    ['get', '/v2/health/live', { path: '/v2/health/live' }, 200],
    ['get', '/v2/health/ready', { path: '/v2/health/ready' }, 200],
    ['get', '/v2/models/{model}', { path: '/v2/models/inspection' }, 200],
    ['get', '/v2/models/{model}', { path: '/v2/models/other' }, 404],
    ['get', '/v2/models/{model}/versions/{version}', { path: '/v2/models/inspection/versions/1.0.0' }, 200],
    ['get', '/v2/models/{model}/versions/{version}/ready', { path: '/v2/models/inspection/versions/2.0.0/ready' }, 404],
    ['get', '/v2/models/{model}/ready', { path: '/v2/models/inspection/ready' }, 200],
    ['post', '/v2/models/{model}/infer', post(infer, { inputs: [images()], id: 'a' }), 200],
    ['post', '/v2/models/{model}/infer', post(infer, inBytes), 200],
    ['post', '/v2/models/{model}/infer', post(infer, {}), 400],
    ['post', '/v2/models/{model}/infer', post(infer, { inputs: [images()] }, { to: () => broken }), 500],
    ['post', '/v2/models/{model}/infer', post(infer, {}, { headers: { 'content-encoding': 'br' } }), 415],
    ['get', '/v2/models/stats', { path: '/v2/models/stats' }, 200],
    ['get', '/v2/models/{model}/stats', { path: '/v2/models/inspection/stats' }, 200],
    ['get', '/v2/models/{model}/stats', { path: '/v2/models/inspection/stats', to: () => broken }, 200],
    ['get', '/v2/models/{model}/versions/{version}/stats', { path: '/v2/models/inspection/versions/2.0.0/stats' }, 404],
    ['get', '/v2/models/{model}/config', { path: '/v2/models/inspection/config' }, 200],
    ['get', '/v2/models/{model}/versions/{version}/config', { path: '/v2/models/inspection/versions/2.0.0/config' }, 404],
    ['post', '/v2/repository/index', { path: '/v2/repository/index' }, 200],
    ['post', '/v2/repository/index', post('/v2/repository/index', { ready: true }), 200],
    ['post', '/v2/repository/index', post('/v2/repository/index', { ready: 1 }), 400],
    ['post', '/v2/repository/models/{model}/load', { path: '/v2/repository/models/inspection/load' }, 403],
    ['post', '/v2/repository/models/{model}/unload', { path: '/v2/repository/models/other/unload' }, 404],
    ['get', '/v2/systemsharedmemory/status', { path: '/v2/systemsharedmemory/status' }, 200],
    ['get', '/v2/cudasharedmemory/region/{region}/status', { path: '/v2/cudasharedmemory/region/a/status' }, 404],
    ['post', '/v2/cudasharedmemory/region/{region}/register', { path: '/v2/cudasharedmemory/region/a/register' }, 403],
    ['post', '/v2/systemsharedmemory/unregister', { path: '/v2/systemsharedmemory/unregister' }, 200],
    ['get', '/v2/trace/setting', { path: '/v2/trace/setting' }, 403],
    ['post', '/v2/logging', post('/v2/logging', { log_verbose_level: 1 }), 403],
  ])('%s %s', async (method, path, sent, status) => {
    const given = await answer(method.toUpperCase(), sent);
    expect(given.status).toBe(status);
    const content = document.paths[path]![method]!.responses[status]?.content;
    expect(Object.keys(content ?? {})).toContain(given.type);
    const { schema } = content![given.type]!;
    if (given.type === type) expect(schemaOf(schema!).safeParse(JSON.parse(given.body)).error).toBeUndefined();
  });

  test('feedback', async () => {
    const { body } = await answer('POST', post(predict, { inputs: { images: images().data } }));
    const { id } = JSON.parse(body) as { id: string };
    const given = await answer('POST', post('/v1/slots/inspection/feedback', { id, verdict: 'rejected' }));
    const { schema } = document.paths['/v1/slots/{slot}/feedback']!['post']!.responses['200']!.content[type]!;
    expect(schemaOf(schema!).parse(JSON.parse(given.body))).toEqual({ id, verdict: 'rejected', outcome: 'recorded' });
  });

  test('and one that is not would be noticed', () => {
    const { schema } = document.paths['/v2']!['get']!.responses['200']!.content[type]!;
    expect(schemaOf(schema!).safeParse({ name: 'x', version: '1', extensions: [1] }).success).toBe(false);
    expect(schemaOf(schema!).safeParse({ name: 'x', version: '1', extensions: [], more: 1 }).success).toBe(false);
  });
});
