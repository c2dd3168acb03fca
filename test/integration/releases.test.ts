import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdir, stat } from 'node:fs/promises';
import { type IncomingMessage, request } from 'node:http';
import { join } from 'node:path';
import { sha256 } from '@flotilla/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { aControlPlane, type TestControlPlane } from '../support/control-plane.js';
import { aRelease, digestOfRelease, pushed, putArtifact, upload } from '../support/releases.js';
import { until } from '../support/until.js';

let cp: TestControlPlane;
beforeAll(async () => {
  cp = await aControlPlane();
});
afterAll(() => cp?.stop());

const get = (digest: string, method = 'GET') =>
  fetch(`${cp.url}/api/v1/artifacts/${digest}`, { method, headers: { authorization: `Bearer ${cp.adminToken}` } });

/** A file may go between listing and looking. */
const gone = () => 0;
/** Of uploads under way. */
async function incomingBytes(): Promise<number> {
  const folder = join(cp.dataDir, 'artifacts', 'incoming');
  const sizes = (await readdir(folder)).map((name) => stat(join(folder, name)).then(({ size }) => size, gone));
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}

describe('artifacts', () => {
  it('are stored under their hash and come back as they were', async () => {
    const bytes = randomBytes(300_000);
    const digest = sha256(bytes);
    expect((await get(digest, 'HEAD')).status).toBe(404);
    expect((await putArtifact(cp, digest, bytes)).status).toBe(201);
    expect((await putArtifact(cp, digest, bytes)).status).toBe(200);
    const head = await get(digest, 'HEAD');
    expect([head.status, head.headers.get('content-length')]).toEqual([200, '300000']);
    expect(sha256(Buffer.from(await (await get(digest)).arrayBuffer()))).toBe(digest);
  });

  it('with another hash than announced are refused and not kept', async () => {
    const digest = sha256('this');
    const response = await putArtifact(cp, digest, 'that');
    expect(response.status).toBe(422);
    expect(await response.json()).toMatchObject({ code: 'DIGEST_MISMATCH', detail: expect.stringContaining(sha256('that')) });
    expect((await get(digest, 'HEAD')).status).toBe(404);
  });

  it('above the limit are refused before they are read', async () => {
    const status = await new Promise((resolve, reject) => {
      const headers = {
        authorization: `Bearer ${cp.adminToken}`,
        'content-type': 'application/octet-stream',
        'content-length': 3 * 1024 ** 3,
      };
      const upload_ = request(`${cp.url}/api/v1/artifacts/${sha256('large')}`, { method: 'PUT', headers });
      upload_.on('response', (response) => resolve(response.statusCode)).on('error', reject);
      upload_.write('only the beginning');
    });
    expect(status).toBe(413);
  });

  it('are streams: what has come is on disk while the rest is still to come', async () => {
    const half = randomBytes(4 * 1024 ** 2);
    const digest = sha256(Buffer.concat([half, half]));
    const headers = { authorization: `Bearer ${cp.adminToken}`, 'content-type': 'application/octet-stream' };
    const sending = request(`${cp.url}/api/v1/artifacts/${digest}`, { method: 'PUT', headers });
    const answered = once(sending, 'response') as Promise<[IncomingMessage]>;
    sending.write(half);
    await until(async () => (await incomingBytes()) === half.length, 'the first half is on disk');
    expect((await get(digest, 'HEAD')).status).toBe(404);
    sending.end(half);
    expect((await answered)[0].statusCode).toBe(201);
    expect((await get(digest, 'HEAD')).headers.get('content-length')).toBe(String(2 * half.length));
  });

  it('cut off in the middle leave nothing', async () => {
    const headers = { authorization: `Bearer ${cp.adminToken}`, 'content-type': 'application/octet-stream' };
    const sending = request(`${cp.url}/api/v1/artifacts/${sha256('cut')}`, { method: 'PUT', headers });
    sending.on('error', () => undefined);
    sending.write('c');
    await until(async () => (await incomingBytes()) === 1, 'the first byte is on disk');
    sending.destroy();
    await until(async () => (await incomingBytes()) === 0, 'nothing is left of it');
    expect((await get(sha256('cut'), 'HEAD')).status).toBe(404);
  });

  it.each([
    ['not-a-hash', 'application/octet-stream', /must be a sha256 in 64 lower-case hex digits/],
    [sha256('{}'), 'application/json', /an artifact is sent as its bare bytes with Content-Type: application\/octet-stream/],
  ])('put as %s of type %s are refused in a sentence', async (digest, type, detail) => {
    const response = await putArtifact(cp, digest, '{}', type);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ code: 'INVALID_REQUEST', detail: expect.stringMatching(detail) });
  });
});

describe('a release', () => {
  it('is pushed once its files are there, and then listed', async () => {
    const release = aRelease('1.0.0', { summary: 'the first' });
    const early = await cp.api('POST', 'releases', release.manifest);
    expect([early.status, early.body.code]).toEqual([409, 'RELEASE_INCOMPLETE']);
    expect(early.body.detail).toContain(`model.int8.onnx (sha256 ${sha256('model 1.0.0')}) has not been uploaded`);

    await upload(cp, release);
    const first = await cp.api('POST', 'releases', release.manifest);
    expect([first.status, first.body.name, first.body.digest]).toEqual([
      201,
      'product-classifier@1.0.0',
      digestOfRelease(release),
    ]);
    const again = await cp.api('POST', 'releases', release.manifest);
    expect([again.status, again.body]).toEqual([200, first.body]);

    expect((await cp.api('GET', 'releases/product-classifier@1.0.0')).body).toEqual(first.body);
    expect((await cp.api('GET', 'releases')).body.items).toContainEqual(first.body);
    expect(sha256(Buffer.from(await (await get(first.body.digest)).arrayBuffer()))).toBe(first.body.digest);
    const events = await cp.api('GET', 'events?kind=release-pushed');
    expect(events.body.items).toMatchObject([{ actor: 'admin', message: 'pushed product-classifier@1.0.0' }]);
  });

  it('never changes under one version', async () => {
    await pushed(cp, aRelease('1.5.0'));
    const other = aRelease('1.5.0', { summary: 'another one' });
    await upload(cp, other);
    const { status, body } = await cp.api('POST', 'releases', other.manifest);
    expect([status, body.code]).toEqual([409, 'RELEASE_EXISTS']);
    expect(body.detail).toContain('raise its version');
  });

  it('is listed page by page, newest first', async () => {
    for (const version of ['2.0.0', '2.1.0', '2.2.0']) await pushed(cp, aRelease(version, { model: 'paged' }));
    const first = (await cp.api('GET', 'releases?model=paged&limit=2')).body;
    expect(first.items.map((item: { version: string }) => item.version)).toEqual(['2.2.0', '2.1.0']);
    const second = (await cp.api('GET', `releases?model=paged&limit=2&cursor=${first.next}`)).body;
    expect(second).toMatchObject({ items: [{ version: '2.0.0' }] });
    expect(second.next).toBeUndefined();
  });

  it('that is unknown is answered with those there are', async () => {
    const { status, body } = await cp.api('GET', 'releases/product-classifier@9.9.9');
    expect([status, body.code]).toEqual([404, 'RELEASE_NOT_FOUND']);
    expect(body.detail).toContain('no release product-classifier@9.9.9; there are product-classifier@1.5.0');
    expect((await cp.api('GET', 'releases/other@1.0.0')).body.detail).toContain('paged@2.2.0');
  });

  it.each<[string, Record<string, unknown>, Record<string, string>, RegExp]>([
    [
      'a variant that is not there',
      { variants: [{ file: 'gone.onnx', precision: 'int8', providers: ['cpu'] }] },
      {},
      /gone\.onnx is not among/,
    ],
    ['golden cases that are no JSON', {}, { 'golden/cases.json': '{' }, /golden\/cases\.json: .*expected object/],
    ['golden cases of another shape', {}, { 'golden/cases.json': '{"v":1,"cases":[]}' }, /golden\/cases\.json: cases: /],
    [
      'a golden input that is missing',
      {},
      { 'golden/cases.json': goldenWithout() },
      /the input dog\.jpg of "dog" is not among the release's files/,
    ],
    [
      'a baseline of an input that it does not have',
      { baseline: 'baseline.json' },
      { 'baseline.json': baselineOf('pictures') },
      /baseline\.json: inputs: "pictures" is no input with numbers of this release \(images\)/,
    ],
    [
      'a baseline of another shape',
      { baseline: 'baseline.json' },
      { 'baseline.json': baselineOf('images', [0, 0]) },
      /baseline\.json: inputs\.0: edges must rise/,
    ],
  ])('with %s is refused in a sentence', async (_name, change, contents, detail) => {
    const release = aRelease('3.0.0', change, contents);
    await upload(cp, release);
    const { status, body } = await cp.api('POST', 'releases', release.manifest);
    expect([status, body.code]).toEqual([400, 'INVALID_RELEASE']);
    expect(body.detail).toMatch(detail);
  });

  it('whose sizes are wrong is refused', async () => {
    const release = aRelease('3.0.1');
    await upload(cp, release);
    const files = release.manifest.files.map((file) => ({ ...file, size: file.size + 1 }));
    const { status, body } = await cp.api('POST', 'releases', { ...release.manifest, files });
    expect([status, body.code]).toEqual([409, 'RELEASE_INCOMPLETE']);
    expect(body.detail).toContain('labels.txt has 8 bytes, the manifest says 9');
  });

  it('with a bad version is refused by path', async () => {
    const { status, body } = await cp.api('POST', 'releases', { ...aRelease().manifest, version: 'one' });
    expect([status, body.code]).toEqual([400, 'INVALID_REQUEST']);
    expect(body.detail).toContain('version: must be a semantic version such as 1.2.0');
  });
});

const baselineOf = (input: string, edges = [0]) =>
  JSON.stringify({ v: 1, inferences: 1, inputs: [{ input, statistic: 'mean', edges, counts: [...edges, 0] }] });

function goldenWithout(): string {
  const { files } = aRelease();
  return files.get('golden/cases.json')!.toString().replaceAll('cat', 'dog');
}
