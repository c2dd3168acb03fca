import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Workshop } from '@flotilla/agent/runner/fixtures/orders';
import { serve } from '@flotilla/agent/runner/fixtures/served';
import { releaseOf } from '@flotilla/agent/runner/pipeline/fixtures/release';
import { GradedPrediction } from '@flotilla/agent/runner/slot-api/slot-schemas';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { modelFile, pictureFile } from './expected.js';

const release = `
apiVersion: flotilla/v1
kind: Release
model: label-reader
version: 1.0.0
inputs:
  - { name: x, type: FP32, shape: [-1, 3, 48, -1] }
outputs:
  - { name: softmax_11.tmp_0, type: FP32, shape: [-1, -1, 6625] }
preprocess:
  - decode: {}
  - resize: { width: 320, height: 48, fit: letterbox, place: top-left, pad: 127, reference: opencv-linear }
  - normalise: { mean: [127.5, 127.5, 127.5], std: [127.5, 127.5, 127.5], layout: NCHW }
postprocess:
  - ctc: { labels: characters.txt }
variants:
  - { file: model.onnx, precision: fp32, providers: [cpu] }
`;
const workshop = new Workshop();
let slot: Awaited<ReturnType<typeof serve>>;
beforeAll(async () => {
  const model = modelFile('ocr:ch_PP-OCRv4_rec_infer.onnx');
  // The network knows the blank that parts words as well; the file of its characters leaves it out.
  const characters = `${(await readFile(join(dirname(model), 'ppocr_keys_v1.txt'), 'utf8')).trimEnd()}\n \n`;
  slot = await serve(
    workshop,
    await releaseOf(workshop, release, { 'model.onnx': await readFile(model), 'characters.txt': characters }),
  );
});
afterAll(async () => {
  await slot.close();
  await workshop.clear();
});

test.each([
  ['line.png', 'FLOTILLA 2026', 640],
  ['label.png', 'LOT-42', 300],
])('PP-OCR reads %s, photographed at another size, through a release and predict', async (file, text, width) => {
  const picture = await sharp(pictureFile(file)).resize({ width }).jpeg({ quality: 90 }).toBuffer();
  const response = await slot.post('/v1/slots/inspection/predict', new Uint8Array(picture), 'image/jpeg');
  const prediction = GradedPrediction.parse(await response.json());
  expect(prediction.text).toEqual({ value: text, score: expect.any(Number) });
  expect(prediction.text!.score).toBeGreaterThan(0.8);
  expect(prediction.outputs).toBeUndefined();
});
