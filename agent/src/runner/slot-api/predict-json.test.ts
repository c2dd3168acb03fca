import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Workshop } from '../fixtures/orders.js';
import { type Served, images, picture, serve, sum } from '../fixtures/served.js';
import { recordOf } from './output-values.js';
import { GradedPrediction } from './slot-schemas.js';

const workshop = new Workshop();
const signature = (name: string) => [{ name, type: 'FP32' as const, shape: [-1, 2] }];
let colour: Served;
let plain: Served;
let echo: Served;
beforeAll(async () => {
  colour = await serve(workshop, await workshop.smallRelease('colour'));
  plain = await serve(workshop, await workshop.smallRelease('colour', { preprocess: [], postprocess: [{ softmax: {} }] }));
  const kinds = ['fp32', 'fp64', 'fp16', 'int8', 'uint8', 'int32', 'int64', 'bool', 'text'] as const;
  const ends = (end: string) =>
    kinds.map((kind) => ({ ...signature(`${kind}_${end}`)[0]!, type: kind === 'text' ? 'BYTES' : kind.toUpperCase() }) as never);
  const overrides = { inputs: ends('in'), outputs: ends('out'), preprocess: [], postprocess: [] };
  echo = await serve(workshop, await workshop.smallRelease('kinds', overrides));
});
afterAll(async () => {
  await Promise.all([colour, plain, echo].map((slot) => slot.close()));
  await workshop.clear();
});

async function predict(slot: Served, body: unknown) {
  const response = await slot.post('/v1/slots/inspection/predict', typeof body === 'string' ? body : JSON.stringify(body));
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}
const values = {
  fp32_in: [0.5, 1.5, 2.5, 3.5],
  fp64_in: [1, 2, 3, 4],
  fp16_in: [0, 0, 0, 0],
  int8_in: [1, 2, 3, -4],
  uint8_in: [1, 2, 3, 4],
  int32_in: [1, 2, 3, 4],
  int64_in: [1, 2, 3, 4],
  bool_in: [true, false, true, false],
  text_in: ['a', 'b', '', 'ä'],
};

describe('a picture as base64', () => {
  test('is answered like the picture itself', async () => {
    const bytes = await picture('#00ff00');
    const [asJson, asPicture] = [
      await predict(colour, { image: { base64: bytes.toString('base64') } }),
      await colour.post('/v1/slots/inspection/predict', new Uint8Array(bytes), 'image/png'),
    ];
    expect(asJson.status).toBe(200);
    const direct = GradedPrediction.parse(await asPicture.json());
    expect(asJson.body['top']).toEqual(direct.top);
    expect(asJson.body['outputs']).toBeUndefined();
    expect(asJson.body['id']).toMatch(/^8f14e45f-[0-9a-f]{8}-0$/);
    expect(direct.id).toBe(`${String(asJson.body['id']).slice(0, -1)}1`);
  });

  test.each<[string, unknown, RegExp]>([
    ['a data: URL', { image: { base64: 'data:image/png;base64,AAAA' } }, /^image.base64 holds ":" at 4, .* no data: URL$/],
    ['no picture', { image: { base64: 'AAAA' } }, /^the picture can't be read: /],
    ['an empty picture', { image: { base64: '' } }, /^image.base64: /],
    ['neither picture nor tensors', {}, /^the body must have one of "image", "inputs", "features" and "signal"$/],
    ['both', { image: { base64: 'AAAA' }, inputs: {} }, /^the body must have one of/],
    ['a bad priority', { image: { base64: 'AAAA' }, parameters: { priority: 9 } }, /^parameters.priority: /],
    ['a list', [], /^the body: /],
    ['no JSON', '{', /^the body is no JSON: /],
  ])('refuses %s in a sentence', async (_what, body, message) => {
    const refused = await predict(colour, body);
    expect(refused.status).toBe(400);
    expect(refused.body['error']).toMatch(message);
  });
});

describe('tensors by name', () => {
  test('are ranked and labelled where the release does that', async () => {
    const { status, body } = await predict(colour, { inputs: { images: images().data }, parameters: { priority: 1 } });
    expect(status).toBe(200);
    expect(body).toMatchObject({ release: 'colours@1.0.0', quality: 'good', top: [{ label: 'red', index: 0 }, { index: 1 }] });
  });

  test('get the outputs where it ranks nothing, through the softmax that it declares', async () => {
    const { status, body } = await predict(plain, { inputs: { images: images().data } });
    expect(status).toBe(200);
    expect(GradedPrediction.parse(body)).toMatchObject({
      top: [],
      outputs: { scores: { datatype: 'FP32', shape: [1, 3], data: [1, 1, 1].map(() => expect.closeTo(1 / 3, 5)) } },
    });
    const latest = await fetch(`${plain.base}/v1/slots/inspection/predictions/latest`);
    expect(await latest.json()).toEqual(body);
  });

  test('of every datatype, flat or nested, come back with their shape', async () => {
    const flat = await predict(echo, { inputs: values });
    const rows = Object.entries(values).map(
      ([name, [a, b, c, d]]) =>
        [
          name,
          [
            [a, b],
            [c, d],
          ],
        ] as const,
    );
    const nested = await predict(echo, { inputs: Object.fromEntries(rows) });
    expect([flat.status, nested.status]).toEqual([200, 200]);
    expect(nested.body['outputs']).toEqual(flat.body['outputs']);
    const outputs = flat.body['outputs'] as Record<string, { shape: number[]; data: unknown[] }>;
    for (const [name, data] of Object.entries(values))
      expect(outputs[name.replace('_in', '_out')]).toMatchObject({ shape: [2, 2], data });
  });

  test.each<[string, Record<string, unknown>, RegExp]>([
    ['an unknown name', { x: [1] }, /^there is no input "x"; the model takes fp32_in FP32 \[-1,2\], /],
    ['a missing name', { fp32_in: [1, 2] }, /^input "fp64_in" is missing; /],
    ['a number for an array', { ...values, fp32_in: 1 }, /^input "fp32_in" is no array, expected \[-1,2\] \(-1 is free\)$/],
    ['too few values', { ...values, fp32_in: [1, 2, 3] }, /^input "fp32_in" came with 3 values, which fit no \[-1,2\] /],
    ['another rank', { ...values, fp32_in: [[[1, 2]]] }, /^input "fp32_in" came with shape \[1,1,2\], expected \[-1,2\] /],
    ['ragged rows', { ...values, fp32_in: [[1, 2], [3]] }, /does not have shape \[2,2\] at depth 1$/],
    ['text for a number', { ...values, fp32_in: ['1', 2, 3, 4] }, /^input "fp32_in": data\[0\] is "1", which is no FP32$/],
  ])('refuse %s in a sentence', async (_what, inputs, message) => {
    const refused = await predict(echo, { inputs });
    expect(refused.status).toBe(400);
    expect(refused.body['error']).toMatch(message);
  });

  test('are what a release without preprocessing asks for', async () => {
    const response = await plain.post('/v1/slots/inspection/predict', new Uint8Array(await picture('red')), 'image/png');
    expect([response.status, await response.json()]).toEqual([
      400,
      { error: 'colours@1.0.0 takes no pictures: send {"inputs": {…}} as application/json, with its tensors by name' },
    ]);
  });
});

test('no refusal above counted against a release', async () => {
  await Promise.all([colour, plain, echo].map(({ serving }) => serving.drain(200)));
  for (const { sent } of [colour, plain, echo]) expect(sum(sent, 'errors')).toBe(0);
});

test('outputs that are large are not kept in the file and the stream', () => {
  const small = { outputs: { x: { data: Array.from({ length: 1024 }, () => 0) } } };
  const large = { outputs: { x: { data: Array.from({ length: 1025 }, () => 0) } } };
  expect(recordOf(small as never)).toBe(small);
  expect(recordOf(large as never)).toEqual({});
});
