import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Manifest, PreprocessStep } from '@flotilla/protocol/device';
import { expect, test } from 'vitest';
import { withEngine } from './fixtures/with-engine.js';
import { peakRssBytes } from './memory.js';
import { preflight } from './preflight.js';

const { workshop, engine } = withEngine();

const file = (path: string) => readFile(new URL(path, import.meta.url));
type Steps = { decode?: object; resize?: object; normalise?: object };
const preprocess = ({ decode, resize, normalise }: Steps): Manifest['preprocess'] =>
  [
    { decode: { ...decode } },
    { resize: { width: 8, height: 8, fit: 'stretch', reference: 'pillow-bilinear', ...resize } },
    { normalise: { mean: [0, 0, 0], std: [255, 255, 255], layout: 'NCHW', ...normalise } },
  ].map((step) => PreprocessStep.parse(step));

/** A release with the golden case that Pillow, numpy and ONNX Runtime made; see fixtures/golden/make.py. */
async function proven(steps: Steps, weights: (model: Buffer) => void = () => undefined) {
  const order = await workshop.smallRelease(
    'colour',
    { golden: { folder: 'golden', tolerance: { top1: 1, cosine: 0.99 } }, preprocess: preprocess(steps) },
    {
      'golden/cases.json': await file('fixtures/golden/cases.json'),
      'golden/small.png': await file('pipeline/fixtures/small.png'),
    },
  );
  const model = await file('fixtures/colour.onnx');
  weights(model);
  await writeFile(join(order.folder, 'model.onnx'), model);
  return preflight(order, engine(), peakRssBytes);
}

/** The one number that it has learnt, 8, becomes another. */
const learnt = (value: number) => (model: Buffer) => {
  const eight = Buffer.alloc(4);
  eight.writeFloatLE(8);
  model.writeFloatLE(value, model.indexOf(eight));
};

test('a release that does what its trainer did passes', async () => {
  expect(await proven({})).toMatchObject({ goldenCases: 1, top1: 1, cosine: expect.closeTo(1, 6) });
});

test.each<[string, Steps]>([
  ['another reference of resizing', { resize: { reference: 'opencv-linear' } }],
  ['the nearest pixel', { resize: { reference: 'nearest' } }],
  ['blue first', { decode: { colour: 'bgr' } }],
  ['another mean', { normalise: { mean: [127.5, 127.5, 127.5] } }],
  ['another fit', { resize: { fit: 'letterbox', pad: 0 } }],
])('%s is a fault of preprocessing, and the model is not blamed', async (_what, steps) => {
  const fault = await proven(steps).catch((error: unknown) => error);
  expect(fault).toMatchObject({
    failure: 'golden',
    message: expect.stringMatching(/preprocessing differs: photograph: element \d+ is/),
  });
  expect((fault as Error).message).not.toMatch(/model output/);
});

test('other weights are a fault of the model, and preprocessing is not blamed', async () => {
  const fault = await proven({}, learnt(-8)).catch((error: unknown) => error);
  expect(fault).toMatchObject({
    failure: 'golden',
    message: expect.stringMatching(/model output differs: top-1 agrees in 0 of 1 cases/),
  });
  expect((fault as Error).message).not.toMatch(/preprocessing differs/);
});

test('where both differ preprocessing is named: what the model made of it says nothing', async () => {
  const fault = proven({ resize: { reference: 'nearest' } }, learnt(-8));
  await expect(fault).rejects.toThrow(/preprocessing differs: photograph/);
});
