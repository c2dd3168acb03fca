import { readFile } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../../fixtures/eventually.js';
import { Workshop } from '../fixtures/orders.js';
import { type Served, images, picture, serve, sum, windows } from '../fixtures/served.js';

const workshop = new Workshop();
const errorOf = async (response: Response) => ({
  status: response.status,
  error: ((await response.json()) as { error: string }).error,
});

describe('the surface of a slot', () => {
  let slot: Served;
  beforeAll(async () => {
    slot = await serve(workshop, await workshop.smallRelease('colour'));
  });
  afterAll(async () => {
    await slot.close();
    await workshop.clear();
  });
  const get = async (path: string) => {
    const response = await fetch(slot.base + path);
    return { status: response.status, body: (await response.json()) as unknown };
  };
  const infer = (request: unknown, path = '/v2/models/inspection/infer') =>
    slot.post(path, typeof request === 'string' ? request : JSON.stringify(request));

  test('tells of itself as the protocol asks', async () => {
    expect(await get('/v2')).toEqual({
      status: 200,
      body: {
        name: 'flotilla',
        version: '0.1.0',
        extensions: ['binary_tensor_data', 'model_configuration', 'model_repository', 'schedule_policy', 'statistics'],
      },
    });
    expect(await get('/v2/')).toEqual(await get('/v2'));
    expect((await fetch(`${slot.base}/v2//`)).status).toBe(404);
    expect(await get('/v2/health/live')).toEqual({ status: 200, body: { live: true } });
    expect(await get('/v2/health/ready')).toEqual({ status: 200, body: { ready: true } });
    expect(await get('/v2/models/inspection/ready')).toEqual({ status: 200, body: { name: 'inspection', ready: true } });
    const metadata = {
      name: 'inspection',
      versions: ['1.0.0'],
      platform: 'onnx_onnxv1',
      inputs: [{ name: 'images', datatype: 'FP32', shape: [1, 3, 8, 8] }],
      outputs: [{ name: 'scores', datatype: 'FP32', shape: [1, 3] }],
    };
    expect(await get('/v2/models/inspection')).toEqual({ status: 200, body: metadata });
    expect(await get('/v2/models/inspection/versions/1.0.0')).toEqual({ status: 200, body: metadata });
    expect(await get('/healthz')).toMatchObject({ status: 200, body: { status: 'ok', release: 'colours@1.0.0' } });
    expect(await get('/readyz')).toEqual({ status: 200, body: { ready: true } });
  });

  test('infers flat and nested data alike, echoes the id, and gives the outputs asked for', async () => {
    const nested = [[0, 1, 2].map(() => Array.from({ length: 8 }, () => Array.from({ length: 8 }, () => 0.5)))];
    for (const data of [images().data, nested]) {
      const response = await infer(
        { id: 'seven', inputs: [images({ data })], outputs: [{ name: 'scores' }] },
        '/v2/models/inspection/versions/1.0.0/infer',
      );
      expect(response.status).toBe(200);
      expect(await response.json()).toEqual({
        id: 'seven',
        model_name: 'inspection',
        model_version: '1.0.0',
        outputs: [{ name: 'scores', datatype: 'FP32', shape: [1, 3], data: [4, 4, 4] }],
      });
    }
  });

  test.each<[string, unknown, RegExp]>([
    ['malformed JSON', '{"inputs": [', /^the body is no JSON: /],
    ['an empty body', '', /^the body is no JSON: /],
    ['no inputs', {}, /^inputs: /],
    ['an unknown input', { inputs: [images({ name: 'x' })] }, /^there is no input "x"; the model takes images FP32 \[1,3,8,8\]$/],
    ['a missing input', { inputs: [] }, /^input "images" is missing/],
    ['an input twice', { inputs: [images(), images()] }, /^input "images" came twice$/],
    ['another type', { inputs: [images({ datatype: 'INT8' })] }, /^input "images" came as INT8, expected FP32$/],
    [
      'another shape',
      { inputs: [images({ shape: [1, 192] })] },
      /^input "images" came with shape \[1,192\], expected \[1,3,8,8\]/,
    ],
    ['too few values', { inputs: [images({ data: [1, 2] })] }, /^input "images" came with 2 values, expected 192/],
    [
      'text for a number',
      { inputs: [images({ data: Array.from({ length: 192 }, () => '1') })] },
      /^input "images": data\[0\] is "1", which is no FP32$/,
    ],
    [
      'null for a number',
      { inputs: [images({ data: Array.from({ length: 192 }, () => null) })] },
      /data\[0\] is null, which is no FP32$/,
    ],
    [
      'a number beyond FP32',
      { inputs: [images({ data: Array.from({ length: 192 }, () => 1e39) })] },
      /data\[0\] is 1e\+39, which is no FP32$/,
    ],
    ['ragged data', { inputs: [images({ data: [[[1], [2, 3]]] })] }, /does not have shape \[1,3,8,8\] at depth 1$/],
    [
      'no data',
      { inputs: [images({ data: undefined })] },
      /^input "images" has no "data" array, and no parameters.binary_data_size either$/,
    ],
    [
      'an unknown output',
      { inputs: [images()], outputs: [{ name: 'y' }] },
      /^there is no output "y"; the model gives scores FP32 \[1,3\]$/,
    ],
    ['a negative shape', { inputs: [images({ shape: [-1, 3, 8, 8] })] }, /^inputs.0.shape.0: /],
  ])('refuses %s in a sentence', async (_what, request, message) => {
    const { status, error } = await errorOf(await infer(request));
    expect(status).toBe(400);
    expect(error).toMatch(message);
  });

  test.each<[string, string, number, RegExp]>([
    ['GET', '/v2/models/other', 404, /^there is no model "other" here; this slot is "inspection"$/],
    ['GET', '/v2/models/inspection/versions/9.9.9', 404, /^version "9.9.9" does not run here; inspection runs colours 1.0.0$/],
    ['POST', '/v2/models/inspection', 405, /takes GET, HEAD, not POST$/],
    ['GET', '/v2/models/inspection/infer', 405, /takes POST, not GET$/],
    ['GET', '/nothing/here', 404, /^there is no \/nothing\/here here$/],
    ['GET', '/v2/models/%zz', 400, /malformed escape: %zz$/],
    ['GET', '/v1/slots/other/predictions/latest', 404, /^there is no slot "other"/],
    ['POST', '/v1/slots/inspection/predict', 415, /expected image\/jpeg or image\/png/],
  ])('%s %s is a %i', async (method, path, status, message) => {
    const response = await fetch(slot.base + path, { method });
    const refusal = await errorOf(response);
    expect(refusal.status).toBe(status);
    expect(refusal.error).toMatch(message);
  });

  test('no body makes it fail or hang, and no broken body counts against the release', async () => {
    const before = slot.sent.length;
    const json = fc.oneof(
      fc.json({ maxDepth: 6 }),
      fc.string(),
      fc
        .record({
          inputs: fc.array(
            fc.record(
              {
                name: fc.constantFrom('images', 'x'),
                datatype: fc.constantFrom('FP32', 'BYTES'),
                shape: fc.array(fc.integer()),
                data: fc.jsonValue(),
              },
              { requiredKeys: [] },
            ),
          ),
        })
        .map((v) => JSON.stringify(v)),
    );
    await fc.assert(
      fc.asyncProperty(
        json,
        fc.constantFrom('/v2/models/inspection/infer', '/v1/slots/inspection/predict'),
        async (body, path) => {
          const { status, error } = await errorOf(
            await slot.post(path, body, path.endsWith('predict') ? 'image/jpeg' : 'application/json'),
          );
          expect(status).toBe(400);
          expect(error).toBeTruthy();
        },
      ),
      { numRuns: 200 },
    );
    expect((await infer({ inputs: [images()] })).status).toBe(200);
    await eventually(() => slot.sent.slice(before).some((m) => m.type === 'window' && m.window.ok > 0));
    expect(sum(slot.sent.slice(before), 'errors')).toBe(0);
  });

  test('a deeply nested body is refused like any other', async () => {
    const deep = `{"inputs":[{"name":"images","datatype":"FP32","shape":[1,3,8,8],"data":${'['.repeat(5000)}${']'.repeat(5000)}}]}`;
    expect((await errorOf(await infer(deep))).status).toBe(400);
  });

  test('a body that is announced too large is refused before it is sent', async () => {
    const status = await new Promise((resolve, reject) => {
      const request = httpRequest(`${slot.base}/v2/models/inspection/infer`, {
        method: 'POST',
        headers: { 'content-length': 65 * 1024 * 1024 },
      });
      request.on('response', (response) => resolve(response.statusCode)).on('error', reject);
      request.write('{');
    });
    expect(status).toBe(413);
  });

  test('HEAD is answered as GET is, without the body, and not where the answer never ends', async () => {
    const [head, whole] = [await fetch(`${slot.base}/v2`, { method: 'HEAD' }), await fetch(`${slot.base}/v2`)];
    expect([head.status, await head.text()]).toEqual([200, '']);
    expect(head.headers.get('content-length')).toBe(String((await whole.text()).length));
    expect((await fetch(`${slot.base}/v1/slots/inspection/predictions/stream`, { method: 'HEAD' })).status).toBe(405);
    expect((await fetch(`${slot.base}/v2/models/inspection/infer`, { method: 'HEAD' })).status).toBe(405);
  });

  test('a large body that waits to be asked for, as curl sends it, is asked for and answered', async () => {
    const body = Buffer.concat([Buffer.from(JSON.stringify({ inputs: [images()] })), Buffer.alloc(2e6, ' ')]);
    const heard: string[] = [];
    const status = await new Promise((resolve, reject) => {
      const headers = { 'content-length': body.length, expect: '100-continue' };
      const request = httpRequest(`${slot.base}/v2/models/inspection/infer`, { method: 'POST', headers });
      request.on('continue', () => {
        heard.push('continue');
        request.end(body);
      });
      request.on('response', (response) => resolve(response.statusCode)).on('error', reject);
      request.flushHeaders();
    });
    expect([heard, status]).toEqual([['continue'], 200]);
  });

  test('what is not HTTP gets an answer and a closed connection', async () => {
    const socket = connect(Number(new URL(slot.base).port), '127.0.0.1').setEncoding('utf8');
    socket.write('nonsense\r\n\r\n');
    let text = '';
    for await (const chunk of socket) text += chunk as string;
    expect(text).toMatch(/^HTTP\/1.1 400 Bad Request\r\n[^]*"error":"not a request/);
  });

  test('a picture is answered with labels, release and times, and is the latest prediction', async () => {
    const response = await slot.post('/v1/slots/inspection/predict', new Uint8Array(await picture('#00ff00')), 'image/png');
    expect(response.status).toBe(200);
    const prediction = (await response.json()) as { top: { label: string }[] };
    expect(prediction).toMatchObject({
      release: 'colours@1.0.0',
      top: [{ label: 'green', index: 1 }, { index: 0 }],
      computeMs: expect.any(Number),
    });
    expect((await get('/v1/slots/inspection/predictions/latest')).body).toEqual(prediction);
    await eventually(async () => (await readFile(slot.file, 'utf8')).includes('"green"'));
    await eventually(() => windows(slot.sent).some(({ classes }) => classes['green'] === 1));
  });

  test('more than it can hold is shed with 429, and counted', async () => {
    const answers = await Promise.all(Array.from({ length: 400 }, () => infer({ inputs: [images()] })));
    const statuses = answers.map(({ status }) => status);
    expect(statuses.filter((status) => status !== 200 && status !== 429)).toEqual([]);
    await eventually(() => sum(slot.sent, 'sheds') === statuses.filter((status) => status === 429).length);
  });
});

describe('other models', () => {
  afterEach(() => workshop.clear());

  test('every kind of number, and text, comes back as it went', async () => {
    const kinds = {
      FP32: 0.5,
      FP64: 1e300,
      FP16: -0.25,
      INT8: -128,
      UINT8: 255,
      INT32: -(2 ** 31),
      INT64: 2 ** 53 - 1,
      BOOL: true,
      BYTES: 'ä\u0001',
    } as const;
    const signature = (end: string) =>
      (Object.keys(kinds) as (keyof typeof kinds)[]).map((type) => ({
        name: `${type === 'BYTES' ? 'text' : type.toLowerCase()}_${end}`,
        type,
        shape: [-1, 2],
      }));
    const slot = await serve(
      workshop,
      await workshop.smallRelease('kinds', {
        inputs: signature('in'),
        outputs: signature('out'),
        preprocess: [],
        postprocess: [],
      }),
    );
    const inputs = signature('in').map(({ name, type }) => ({
      name,
      datatype: type,
      shape: [2, 2],
      data: Array.from({ length: 4 }, () => kinds[type]),
    }));
    const response = await slot.post('/v2/models/inspection/infer', JSON.stringify({ inputs }));
    const { outputs } = (await response.json()) as {
      outputs: { datatype: keyof typeof kinds; shape: number[]; data: unknown[] }[];
    };
    for (const { datatype, shape, data } of outputs)
      expect({ shape, data }).toEqual({ shape: [2, 2], data: Array.from({ length: 4 }, () => kinds[datatype]) });
    expect(outputs).toHaveLength(9);
    await slot.close();
  });

  test('an answer that JSON can not carry is an error that says so, and counts', async () => {
    const slot = await serve(workshop, await workshop.smallRelease('nan'));
    const { status, error } = await errorOf(
      await slot.post('/v2/models/inspection/infer', JSON.stringify({ inputs: [images()] })),
    );
    expect(status).toBe(500);
    expect(error).toBe(
      'the inference failed: the output scores holds NaN or infinity at index 0, which JSON can\'t carry; ask for this output with "parameters": {"binary_data": true}',
    );
    await slot.close();
    expect(sum(slot.sent, 'errors')).toBe(1);
  });
});
