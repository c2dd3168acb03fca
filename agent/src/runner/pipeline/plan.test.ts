import type { Manifest } from '@flotilla/protocol';
import { describe, expect, test } from 'vitest';
import { answerPlan, picturePlan, scaling } from './plan.js';

type Steps = Pick<Manifest, 'preprocess' | 'postprocess' | 'inputs' | 'outputs'>;
const decode = { decode: { colour: 'rgb', exif: 'apply', icc: 'ignore' } } as const;
const resize = { resize: { width: 8, height: 8, fit: 'centre-crop', cropFraction: 1, reference: 'pillow-bilinear' } } as const;
const normalise = { normalise: { mean: [0, 0, 0], std: [1, 1, 1], layout: 'NCHW' } } as const;
const topK = { 'top-k': { k: 5, labels: 'labels.txt' } } as const;
const steps = (overrides: Partial<Steps> = {}): Steps => ({
  preprocess: [decode, resize, normalise] as unknown as Steps['preprocess'],
  postprocess: [{ softmax: {} }, topK],
  inputs: [{ name: 'images', type: 'FP32', shape: [1, 3, 8, 8] }],
  outputs: [{ name: 'scores', type: 'FP32', shape: [1, 3] }],
  ...overrides,
});

describe('the picture plan', () => {
  test('goes into the one input', () => expect(picturePlan(steps())).toMatchObject({ input: 'images' }));
  test('is absent for a release that takes tensors only', () => expect(picturePlan(steps({ preprocess: [] }))).toBeUndefined());
  test('fits a free dimension', () => {
    expect(picturePlan(steps({ inputs: [{ name: 'images', type: 'FP32', shape: [-1, 3, -1, -1] }] }))).toBeDefined();
  });

  test.each<[string, Partial<Steps>, RegExp]>([
    [
      'another order',
      { preprocess: [resize, decode, normalise] as never },
      /preprocess is resize, decode, normalise; it must be/,
    ],
    ['a missing step', { preprocess: [decode, normalise] as never }, /preprocess is decode, normalise; it must be/],
    [
      'another layout',
      { inputs: [{ name: 'images', type: 'FP32', shape: [1, 8, 8, 3] }] },
      /gives FP32 \[1,3,8,8\], the input images is FP32 \[1,8,8,3\]/,
    ],
    ['another type', { inputs: [{ name: 'images', type: 'UINT8', shape: [1, 3, 8, 8] }] }, /the input images is UINT8/],
    ['two inputs', { inputs: [steps().inputs[0]!, steps().inputs[0]!] }, /goes into one input, the model has 2/],
  ])('refuses %s', (_what, overrides, message) => {
    expect(() => picturePlan(steps(overrides))).toThrow(message);
  });
});

describe('the answer plan', () => {
  test('may be empty', () => expect(answerPlan(steps({ postprocess: [] }))).toEqual({ output: 'scores', softmax: false }));
  test('may rank raw scores', () =>
    expect(answerPlan(steps({ postprocess: [topK] }))).toMatchObject({ softmax: false, topK: { k: 5 } }));
  test('refuses softmax after ranking', () => {
    expect(() => answerPlan(steps({ postprocess: [topK, { softmax: {} }] }))).toThrow(
      'postprocess is top-k, softmax; it may be softmax, then top-k',
    );
  });
});

describe('scaling', () => {
  const square = { width: 224, height: 224, fit: 'centre-crop', cropFraction: 0.875, reference: 'pillow-bilinear' } as const;
  test.each([
    [
      { width: 640, height: 480 },
      { width: 341, height: 256, left: 58, top: 16 },
    ],
    [
      { width: 480, height: 640 },
      { width: 256, height: 341, left: 16, top: 58 },
    ],
    [
      { width: 100, height: 100 },
      { width: 256, height: 256, left: 16, top: 16 },
    ],
    // 1001 × 256 / 512 = 500.5: half goes up.
    [
      { width: 1001, height: 512 },
      { width: 501, height: 256, left: 138, top: 16 },
    ],
  ])('of %o keeps the middle', (picture, expected) => expect(scaling(picture, square)).toEqual(expected));

  test('fills a wide target from a tall picture', () => {
    expect(scaling({ width: 100, height: 400 }, { ...square, width: 200, height: 100, cropFraction: 1 })).toEqual({
      width: 200,
      height: 800,
      left: 0,
      top: 350,
    });
  });

  test('to stretch takes all of the picture', () => {
    expect(scaling({ width: 7, height: 900 }, { ...square, fit: 'stretch' })).toEqual({
      width: 224,
      height: 224,
      left: 0,
      top: 0,
    });
  });
});
