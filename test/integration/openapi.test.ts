import { readFile } from 'node:fs/promises';
import { describedFiles, openApiFile } from '@flotilla/control-plane/write-openapi';
import { Problem, StatusView } from '@flotilla/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { aControlPlane, type TestControlPlane } from '../support/control-plane.js';

let cp: TestControlPlane;
beforeAll(async () => {
  cp = await aControlPlane();
});
afterAll(() => cp?.stop());

type Json = Record<string, unknown>;
const nodesOf = (value: unknown): Json[] =>
  value === null || typeof value !== 'object'
    ? []
    : [...(Array.isArray(value) ? [] : [value as Json]), ...Object.values(value).flatMap((item) => nodesOf(item))];

describe('the description of the operator API', () => {
  let files: Record<string, string>;
  let document: { openapi: string; paths: Record<string, Record<string, Json>>; components: { schemas: Record<string, Json> } };
  beforeAll(async () => {
    files = await describedFiles();
    document = JSON.parse(files[openApiFile]!);
  });

  it('is the one that is checked in, and so is the client that is made of it', async () => {
    for (const [file, text] of Object.entries(files)) {
      const inStep = (await readFile(file, 'utf8').catch(() => '')) === text;
      expect(inStep, `${file} is out of step: npx tsc -b && npx node control-plane/dist/src/write-openapi.js`).toBe(true);
    }
  });

  it('is served to everybody', async () => {
    const response = await fetch(`${cp.url}/api/v1/openapi.json`);
    expect(await response.json()).toEqual(document);
  });

  it('is 3.1 and refers to nothing that is not there', () => {
    expect(document.openapi).toBe('3.1.0');
    const nodes = nodesOf(document);
    const refs = nodes.flatMap((node) => (typeof node['$ref'] === 'string' ? [node['$ref']] : []));
    const names = new Set(Object.keys(document.components.schemas).map((name) => `#/components/schemas/${name}`));
    expect(refs.length).toBeGreaterThan(20);
    expect(refs.filter((ref) => !names.has(ref))).toEqual([]);
    expect(nodes.filter((node) => '$defs' in node || 'nullable' in node)).toEqual([]);
  });

  it('names each operation once, and how it fails', () => {
    const operations = Object.values(document.paths).flatMap((path) => Object.values(path));
    const ids = operations.map((operation) => operation['operationId']);
    expect(new Set(ids).size).toBe(ids.length);
    // The answer to HEAD has no body, a refusal neither.
    const answered = Object.values(document.paths).flatMap((path) =>
      Object.entries(path).flatMap(([method, operation]) => (method === 'head' ? [] : [operation])),
    );
    const failures = answered.map((operation) => Object.keys((operation['responses'] as Json)['default'] as Json));
    expect(failures.filter((keys) => !keys.includes('content') && !keys.includes('$ref'))).toEqual([]);
    expect(Object.keys(document.paths)).toEqual(
      expect.arrayContaining([
        '/api/v1/devices/{id}',
        '/api/v1/releases',
        '/api/v1/rollouts/{id}/commands',
        '/api/v1/artifacts/{sha256}',
      ]),
    );
  });

  it('names the views by their own names', () => {
    for (const name of ['DeviceView', 'ReleaseView', 'RolloutView', 'RolloutPlan', 'EventView', 'StatusView', 'Problem'])
      expect(document.components.schemas).toHaveProperty(name);
  });
});

describe('the operator API', () => {
  it('tells its status', async () => {
    const { body } = await cp.api('GET', 'status');
    expect(StatusView.parse(body)).toMatchObject({
      database: 'embedded',
      broker: { kind: 'embedded' },
      devices: { total: 0, online: 0 },
      releases: 0,
      rollouts: { running: 0, paused: 0 },
    });
  });

  it('is alive, and ready once it has database and broker', async () => {
    expect((await fetch(`${cp.url}/healthz`)).status).toBe(200);
    await expect.poll(async () => (await fetch(`${cp.url}/readyz`)).json()).toEqual({ ok: true, database: true, broker: true });
  });

  it.each([
    ['without a token', {}, 401, 'UNAUTHORIZED'],
    ['with a wrong one', { authorization: 'Bearer wrong' }, 401, 'UNAUTHORIZED'],
  ])('%s answers nothing', async (_name, headers: Record<string, string>, status, code) => {
    const response = await fetch(`${cp.url}/api/v1/devices`, { headers });
    expect([response.status, Problem.parse(await response.json()).code]).toEqual([status, code]);
  });

  it.each([
    ['GET', 'nothing', undefined, 404, 'ROUTE_NOT_FOUND'],
    ['GET', 'devices?limit=501', undefined, 400, 'INVALID_REQUEST'],
    ['GET', 'devices?cursor=nobody', undefined, 404, 'DEVICE_NOT_FOUND'],
    ['GET', `releases?cursor=${'0'.repeat(64)}`, undefined, 400, 'INVALID_REQUEST'],
    ['GET', 'events?kind=a,,b', undefined, 400, 'INVALID_REQUEST'],
    ['POST', 'groups', 'no object', 400, 'INVALID_REQUEST'],
  ])('answers %s %s with a problem', async (method, path, body, status, code) => {
    const answer = await cp.api(method, path, body);
    expect([answer.status, Problem.parse(answer.body).code]).toEqual([status, code]);
  });

  it('lists events by kind and page', async () => {
    for (const name of ['one', 'two', 'three']) await cp.api('POST', 'groups', { name, selector: '*' });
    await cp.api('DELETE', 'groups/one');
    const first = (await cp.api('GET', 'events?kind=group-created&limit=2')).body;
    expect(first.items.map((event: { message: string }) => event.message)).toEqual(['created group three', 'created group two']);
    const rest = (await cp.api('GET', `events?kind=group-created,group-removed&limit=2&cursor=${first.next}`)).body;
    expect(rest.items.map((event: { message: string }) => event.message)).toEqual(['created group one']);
    expect(rest.next).toBeUndefined();
  });
});

describe('the status page', () => {
  it('is plain files under a policy that lets no inline script run', async () => {
    const page = await fetch(cp.url);
    const html = await page.text();
    expect(page.headers.get('content-type')).toContain('text/html');
    expect(page.headers.get('content-security-policy')).toContain("script-src 'self'");
    expect(html).not.toMatch(/<script(?![^>]*\bsrc=)|\son[a-z]+=|\sstyle=/);
    for (const [path, type] of [
      ['page.js', 'text/javascript'],
      ['page.css', 'text/css'],
    ]) {
      expect(html).toContain(`"/${path}"`);
      const asset = await fetch(`${cp.url}/${path}`);
      expect([asset.status, asset.headers.get('content-type')]).toEqual([200, `${type}; charset=utf-8`]);
    }
  });
});
