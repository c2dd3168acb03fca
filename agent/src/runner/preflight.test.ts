import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { GoldenSet } from '@flotilla/protocol/device';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { ReleaseFault } from './fault.js';
import { withEngine } from './fixtures/with-engine.js';
import type { LoadOrder } from './loading.js';
import { peakRssBytes } from './memory.js';
import { preflight } from './preflight.js';

const { workshop, engine } = withEngine();

const run = (order: LoadOrder) => preflight(order, engine(), peakRssBytes);
async function fault(order: LoadOrder): Promise<ReleaseFault> {
  const error = await run(order).then(
    () => 'no fault at all',
    (e: unknown) => e,
  );
  if (!(error instanceof ReleaseFault)) throw error;
  return error;
}

const golden = { folder: 'golden', tolerance: { top1: 1, cosine: 0.98 } };
const picture = (colour: string) =>
  sharp({ create: { width: 16, height: 8, channels: 3, background: colour } })
    .png()
    .toBuffer();
/** What the model `colour` makes of a red and a green picture. */
const goldenSet = (overrides: { value?: number; index?: number } = {}): GoldenSet => ({
  v: 1,
  cases: (['red', 'green'] as const).map((name, channel) => ({
    name,
    input: `${name}.png`,
    tensor: {
      shape: [1, 3, 8, 8],
      stride: 64,
      values: [0, 1, 2].map((c) => (c === channel ? (overrides.value ?? 1) : 0)),
      tolerance: 0.02,
    },
    output: {
      name: 'scores',
      values: [0, 1, 2].map((c) => (c === (overrides.index ?? channel) ? 8 : 0)),
      top: [{ index: overrides.index ?? channel, label: name, score: 1 }],
    },
  })),
});
const goldenFiles = async (set: GoldenSet) => ({
  'golden/cases.json': JSON.stringify(set),
  'golden/red.png': await picture('#ff0000'),
  'golden/green.png': await picture('#00ff00'),
});

describe('a good release', () => {
  test('passes with its figures', async () => {
    const figures = await run(await workshop.smallRelease('colour', { golden }, await goldenFiles(goldenSet())));
    expect(figures).toMatchObject({ goldenCases: 2, top1: 1 });
    expect(figures.cosine).toBeCloseTo(1);
    // A few microseconds: less than the tick of some kernels' clocks, which may then show none of it.
    expect(figures.meanComputeMs).toBeGreaterThanOrEqual(0);
    expect(figures.loadMs).toBeGreaterThan(0);
    expect(figures.peakRssBytes).toBeGreaterThan(20e6);
  });

  test('may have no golden set, and the figures say so', async () => {
    expect(await run(await workshop.smallRelease('colour'))).toMatchObject({ goldenCases: 0 });
  });
});

describe('load', () => {
  test('a corrupt model', async () => {
    const order = await workshop.smallRelease('colour');
    await writeFile(join(order.folder, 'model.onnx'), 'garbage');
    expect(await fault(order)).toMatchObject({
      failure: 'load',
      message: expect.stringMatching(/^colours@1.0.0: model.onnx does not load: .*Protobuf/),
    });
  });

  test('a model with other inputs', async () => {
    const inputs = [{ name: 'pixels', type: 'UINT8' as const, shape: [1, 3, 8, 8] }];
    expect(await fault(await workshop.smallRelease('colour', { inputs, preprocess: [] }))).toMatchObject({
      failure: 'load',
      message:
        'colours@1.0.0: model.onnx is not what the manifest says: its inputs are images FP32 [1,3,8,8], the manifest says pixels UINT8 [1,3,8,8]',
    });
  });

  test.each([
    ['red\ngreen\n', /labels.txt has 2 labels for 3 classes/],
    [undefined, /the labels names.txt can't be read: ENOENT/],
  ])('labels %j', async (text, message) => {
    const files = text === undefined ? {} : { 'labels.txt': text };
    const labels = text === undefined ? 'names.txt' : 'labels.txt';
    const error = await fault(await workshop.smallRelease('colour', { postprocess: [{ 'top-k': { k: 1, labels } }] }, files));
    expect(error.failure).toBe('load');
    expect(error.message).toMatch(message);
  });

  test('an example that the model does not take: a table of four has no row 9', async () => {
    const index = { name: 'index', type: 'INT64' as const, shape: [-1, 1], example: { value: 9 } };
    const outputs = [{ name: 'scores', type: 'FP32' as const, shape: [-1, 1] }];
    expect(
      await fault(await workshop.smallRelease('lookup', { inputs: [index], outputs, preprocess: [], postprocess: [] })),
    ).toMatchObject({
      failure: 'load',
      message: expect.stringMatching(/^colours@1.0.0: model.onnx fails at its first inference: .*idx=9/),
    });
  });

  test('a variant that the manifest does not have', async () => {
    const order = await workshop.smallRelease('colour');
    expect((await fault({ ...order, variant: 'other.onnx' })).message).toBe(
      'colours@1.0.0: other.onnx: it is no variant of this release',
    );
  });
});

describe('golden', () => {
  test('preprocessing that differs is told from a model that differs', async () => {
    expect(
      await fault(await workshop.smallRelease('colour', { golden }, await goldenFiles(goldenSet({ value: 0.5 })))),
    ).toMatchObject({
      failure: 'golden',
      message: 'colours@1.0.0: preprocessing differs: red: element 0 is 1, expected 0.5 ± 0.02; 1 of 3 samples differ',
    });
  });

  test('a model that differs says how often and how far', async () => {
    const error = await fault(await workshop.smallRelease('colour', { golden }, await goldenFiles(goldenSet({ index: 0 }))));
    expect(error).toMatchObject({ failure: 'golden', figures: { goldenCases: 2, top1: 0.5, cosine: 0.5 } });
    expect(error.message).toBe(
      'colours@1.0.0: model output differs: top-1 agrees in 1 of 2 cases (0.5, needs 1), mean cosine is 0.5 (needs 0.98); ' +
        'green: class 1 where the reference says 0 (green), cosine 0',
    );
  });

  test('a broken model that is slow and large too is golden above all', async () => {
    const order = await workshop.smallRelease('constant', { golden }, await goldenFiles(goldenSet()));
    expect(await fault({ ...order, maxComputeMs: 1e-9, maxRssBytes: 1 })).toMatchObject({ failure: 'golden' });
  });

  test.each([
    ['a missing picture', { 'golden/red.png': undefined }, /red.png can't be preprocessed: ENOENT/],
    ['a broken picture', { 'golden/red.png': 'x' }, /red.png can't be preprocessed: it is no picture that can be read/],
    ['cases that are no JSON', { 'golden/cases.json': '{' }, /golden\/cases.json can't be used/],
  ])('%s', async (_what, change, message) => {
    const files = Object.entries({ ...(await goldenFiles(goldenSet())), ...change }).filter(
      (entry): entry is [string, string] => entry[1] !== undefined,
    );
    const error = await fault(await workshop.smallRelease('colour', { golden }, Object.fromEntries(files)));
    expect(error.failure).toBe('golden');
    expect(error.message).toMatch(message);
  });
});

describe('golden tensors', () => {
  const kinds = {
    inputs: [{ name: 'x', type: 'FP32' as const, shape: [-1, 256] }],
    outputs: [{ name: 'scores', type: 'FP32' as const, shape: [-1, 16] }],
  };
  const aCase = (values: number[]): GoldenSet => ({
    v: 1,
    cases: [
      { name: 'zeros', input: 'zeros.json', output: { name: 'scores', values, top: [{ index: 0, label: 'any', score: 1 }] } },
    ],
  });
  const proven = async (input: object, values = Array.from({ length: 16 }, (_, i) => (i === 0 ? 1 : 0))) =>
    workshop.smallRelease(
      'mlp',
      { ...kinds, preprocess: [], postprocess: [], golden: { folder: 'golden', tolerance: { top1: 0, cosine: -1 } } },
      { 'golden/cases.json': JSON.stringify(aCase(values)), 'golden/zeros.json': JSON.stringify(input) },
    );

  test('are given by name, as to the slot itself', async () => {
    const x = Array.from({ length: 256 }, (_, i) => i / 256);
    expect(await run(await proven({ inputs: { x } }))).toMatchObject({ goldenCases: 1 });
  });

  test.each([
    [{ inputs: { y: [0] } }, /zeros: zeros.json can't be used as tensors: there is no input "y"; the model takes x FP32/],
    [{ image: { base64: 'AA==' } }, /zeros: zeros.json can't be used as tensors: it holds no "inputs"/],
  ])('that do not fit, %j, say so', async (input, message) => {
    const error = await fault(await proven(input));
    expect(error).toMatchObject({ failure: 'golden', message: expect.stringMatching(message) });
  });
});

describe('health', () => {
  test('an answer that is no number, without a golden set', async () => {
    expect(await fault(await workshop.smallRelease('nan'))).toMatchObject({
      failure: 'health',
      message: expect.stringContaining('the output scores holds NaN'),
    });
  });

  test('an answer that is no number, with one', async () => {
    const error = await fault(await workshop.smallRelease('nan', { golden }, await goldenFiles(goldenSet())));
    expect(error).toMatchObject({
      failure: 'health',
      message: 'colours@1.0.0: red: the output scores holds NaN or infinity at index 0',
    });
  });

  test('always the same answer', async () => {
    expect((await fault(await workshop.smallRelease('constant'))).message).toBe(
      'colours@1.0.0: the answer is the same for each of 3 different inputs',
    );
  });

  test('integers and text in, and out again, is not ill', async () => {
    const kinds = ['FP32', 'FP64', 'FP16', 'INT8', 'UINT8', 'INT32', 'INT64', 'BOOL', 'BYTES'] as const;
    const named = (end: string) =>
      kinds.map((type) => ({ name: `${type === 'BYTES' ? 'text' : type.toLowerCase()}_${end}`, type, shape: [-1, 2] }));
    const order = await workshop.smallRelease('kinds', {
      inputs: named('in'),
      outputs: named('out'),
      preprocess: [],
      postprocess: [],
    });
    expect(await run(order)).toMatchObject({ goldenCases: 0 });
  });
});

test('latency: the mean, the number of runs and the ceiling are told', async () => {
  const error = await fault({ ...(await workshop.smallRelease('slow')), maxComputeMs: 0.5 });
  expect(error.failure).toBe('latency');
  expect(error.message).toMatch(/^colours@1.0.0: mean compute \d+\.\d ms over \d+ runs, the ceiling is 0.5 ms$/);
  expect(error.figures.meanComputeMs).toBeGreaterThan(0.5);
});

test('memory: the peak and the ceiling are told', async () => {
  const error = await fault({ ...(await workshop.smallRelease('colour')), maxRssBytes: 5_000_000 });
  expect(error.failure).toBe('memory');
  expect(error.message).toMatch(/took \d+ MB at its peak, the ceiling is 5 MB/);
});
