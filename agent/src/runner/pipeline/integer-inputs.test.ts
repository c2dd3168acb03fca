import { PreprocessStep } from '@flotilla/protocol/device';
import { afterEach, expect, test } from 'vitest';
import { Workshop } from '../fixtures/orders.js';
import { picture, serve } from '../fixtures/served.js';
import { GradedPrediction } from '../slot-api/slot-schemas.js';

const workshop = new Workshop();
afterEach(() => workshop.clear());
const before = [{ decode: {} }, { resize: { width: 8, height: 8, fit: 'stretch', reference: 'nearest' } }];
const parsed = (...steps: object[]) => [...before, ...steps].map((step) => PreprocessStep.parse(step));
// std of 127.5 puts pixels into −1 … 1, of which the level is 1/128.
const centred = { normalise: { mean: [127.5, 127.5, 127.5], std: [127.5, 127.5, 127.5], layout: 'NCHW' } };
const int8 = { quantize: { scale: 0.0078125, zeroPoint: 0, type: 'INT8' } };

test.each([
  ['colour-uint8', 'UINT8', [1, 8, 8, 3], parsed({ pixels: { layout: 'NHWC' } }), [200, 100, 50].map((level) => level / 16)],
  ['colour-int8', 'INT8', [1, 3, 8, 8], parsed(centred, int8), [73, -28, -78].map((level) => level / 16)],
] as const)('%s gets the levels that its release declares', async (model, type, shape, preprocess, scores) => {
  const inputs = [{ name: 'images', type, shape: [...shape] }];
  const slot = await serve(workshop, await workshop.smallRelease(model, { inputs, preprocess, postprocess: [] }));
  const encoded = new Uint8Array(await picture('#c86432'));
  const response = await slot.post('/v1/slots/inspection/predict', encoded, 'image/png');
  const { outputs } = GradedPrediction.parse(await response.json());
  expect(outputs!['scores']!.data).toEqual(scores.map((score) => expect.closeTo(score, 5)));
  await slot.close();
});

test('bytes for a model that takes floats do not load', async () => {
  const release = workshop.smallRelease('colour', { preprocess: parsed({ pixels: { layout: 'NCHW' } }) });
  await expect(serve(workshop, await release)).rejects.toThrow(
    'preprocess makes UINT8 [1,3,8,8], but input "images" takes FP32 [1,3,8,8]',
  );
});
