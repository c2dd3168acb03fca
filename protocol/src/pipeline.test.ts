import { describe, expect, test } from 'vitest';
import { PostprocessStep, Resize, postprocessProblem, preprocessProblem, preprocessing, PreprocessStep } from './index.js';

const pre = (...steps: object[]) => steps.map((step) => PreprocessStep.parse(step));
const post = (...steps: object[]) => steps.map((step) => PostprocessStep.parse(step));
const decode = { decode: {} };
const resize = { resize: { width: 8, height: 6, fit: 'stretch', reference: 'opencv-linear' } };
const normalise = { normalise: { mean: [0, 0, 0], std: [1, 1, 1], layout: 'NCHW' } };
const features = { features: [{ name: 'a' }, { name: 'b', 'one-hot': ['x', 'y', 'z'] }] };
const crop = { crop: { left: 0, top: 0, width: 0.5, height: 0.5, unit: 'fraction' } };

describe('preprocessing makes', () => {
  test.each<[string, object[], unknown]>([
    ['nothing of nothing', [], undefined],
    ['planes', [decode, crop, resize, normalise], { asked: 'picture', type: 'FP32', shape: [1, 3, 6, 8] }],
    ['bytes', [decode, resize, { pixels: { layout: 'NHWC' } }], { asked: 'picture', type: 'UINT8', shape: [1, 6, 8, 3] }],
    [
      'quantized grey',
      [
        { decode: { colour: 'grey-bt601' } },
        resize,
        { normalise: { mean: [0], std: [1], layout: 'NHWC' } },
        { quantize: { scale: 0.5, zeroPoint: -3, type: 'INT8' } },
      ],
      { asked: 'picture', type: 'INT8', shape: [1, 6, 8, 1] },
    ],
    ['a row of features', [features], { asked: 'features', type: 'FP32', shape: [1, 4] }],
  ])('%s', (_what, steps, made) => expect(preprocessing(pre(...steps))).toEqual(made));

  test.each<[string, object[], RegExp]>([
    [
      'another order',
      [resize, decode, normalise],
      /^preprocess is resize, decode, normalise: resize can't follow nothing; it must be decode/,
    ],
    ['a missing step', [decode, normalise], /normalise can't follow a picture/],
    ['no end', [decode, resize], /the model can't follow pixels/],
    ['two ends', [decode, resize, normalise, { pixels: { layout: 'NCHW' } }], /pixels can't follow a tensor/],
    [
      'three means for grey',
      [{ decode: { colour: 'grey-bt601' } }, resize, normalise],
      /normalise has 3 means and 3 deviations for 1 channels/,
    ],
    [
      'a zero point of another type',
      [features, { quantize: { scale: 1, zeroPoint: -1, type: 'UINT8' } }],
      /zero point -1, which is no UINT8/,
    ],
    ['a feature twice', [{ features: [{ name: 'a' }, { name: 'a' }] }], /features has "a" twice/],
  ])('no sense of %s', (_what, steps, message) => {
    expect(preprocessing(pre(...steps))).toMatchObject({ problem: expect.stringMatching(message) });
  });

  test('what the model takes, or says why not', () => {
    const input = { name: 'images', type: 'FP32', shape: [-1, 3, -1, 8] } as const;
    const steps = pre(decode, resize, normalise);
    expect(preprocessProblem(steps, [input])).toBeUndefined();
    expect(preprocessProblem(steps, [{ ...input, type: 'UINT8' }])).toBe(
      'preprocess makes FP32 [1,3,6,8], but input "images" takes UINT8 [-1,3,-1,8]',
    );
    expect(preprocessProblem(steps, [{ ...input, shape: [1, 6, 8, 3] }])).toMatch(/takes FP32 \[1,6,8,3\]/);
    expect(preprocessProblem(steps, [input, input])).toBe('preprocess makes one tensor, but there are 2 inputs');
  });
});

test.each<[object, string]>([
  [{ fit: 'letterbox' }, 'a letterbox needs a pad value, 0 to 255'],
  [{ fit: 'stretch', pad: 114 }, 'only a letterbox is padded'],
  [{ fit: 'centre-crop', place: 'centre' }, 'only a letterbox has room to place a picture in'],
])('resize %o is refused', (how, message) => {
  const { error } = Resize.safeParse({ width: 8, height: 8, reference: 'nearest', ...how });
  expect(error!.issues.map((issue) => issue.message)).toEqual([message]);
});

describe('postprocessing', () => {
  const outputs = [{ name: 'scores', type: 'FP32' as const, shape: [1, 3] }];
  const topK = { 'top-k': { k: 5, labels: 'labels.txt' } };
  const yolo = { 'yolo-boxes': { format: 'v8', minScore: 0.5, labels: 'labels.txt' } };
  const nms = { nms: { iou: 0.5 } };
  test.each<[string, object[]]>([
    ['may be empty', []],
    ['may rank raw scores', [topK]],
    ['may do several things', [{ softmax: {} }, topK, { values: [{ name: 'first' }] }]],
    ['thins out boxes', [yolo, nms]],
  ])('%s', (_what, steps) => expect(postprocessProblem(post(...steps), outputs)).toBeUndefined());

  test.each<[string, object[], RegExp]>([
    ['scores turned after they were ranked', [topK, { softmax: {} }], /^postprocess is top-k, softmax: softmax must come before/],
    ['a step twice', [topK, topK], /top-k is there twice/],
    ['nothing to thin out', [nms], /nms must follow ssd-boxes, yolo-boxes or db-boxes/],
    ['an unknown output', [{ sigmoid: { output: 'logits' } }], /reads the output "logits"; there are scores/],
  ])('makes no sense of %s', (_what, steps, message) => {
    expect(postprocessProblem(post(...steps), outputs)).toMatch(message);
  });
});
