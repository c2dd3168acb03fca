import { Nms, Resize } from '@flotilla/protocol/device';
import { describe, expect, test } from 'vitest';
import type { Tensor } from '../tensor.js';
import { prepared, run, steps } from './fixtures/prepared.js';
import { frame, picture, vectors } from './fixtures/vectors.js';
import { boxesOf } from './postprocess/boxes.js';
import { ssdAnchors } from './postprocess/ssd-anchors.js';
import { resampled } from './preprocess/opencv.js';
import { quantized } from './preprocess/quantize.js';
import type { Answering, Surroundings } from './stages.js';
import { openPostprocess } from './steps.js';

const tensor = (shape: readonly number[], data: Float32Array): Tensor => ({
  name: 'scores',
  type: 'FP32',
  shape,
  data: data as never,
});
const numbered = (count: number) => Array.from({ length: count }, (_, i) => `label ${i}`);
const around = ({ name, shape }: Tensor): Surroundings => ({
  outputs: [{ name, shape }],
  labels: (_file, classes) => Promise.resolve(numbered(classes!)),
});
/** What steps of postprocessing find in one output. */
async function answered(output: Tensor, ...declared: Parameters<typeof openPostprocess>[0][number][]): Promise<Answering> {
  let answering: Answering = { outputs: [output], view: undefined, findings: {} };
  for (const step of await openPostprocess(declared, around(output))) answering = step.run(answering);
  return answering;
}
const farthest = (actual: ArrayLike<number>, expected: ArrayLike<number>) => {
  expect(actual.length).toBe(expected.length);
  return Math.max(...Array.from(actual, (value, i) => Math.abs(value - expected[i]!)));
};
const pixelsOf = async (name: 'small.png' | 'see-through.png', decode: object, resize: object) => {
  const encoded = { kind: 'encoded' as const, bytes: picture(name) };
  const stage = await run(encoded, [steps.decode(decode), { resize: Resize.parse(resize) }]);
  if (stage.kind !== 'pixels') throw new Error(stage.kind);
  return stage;
};
const asItIs = { width: vectors.width, height: vectors.height, fit: 'stretch', reference: 'nearest' };
/** Of 255. */
const tolerances = { 'opencv-linear': 1, 'opencv-area': 1, nearest: 0, 'pillow-bilinear': 0, 'pillow-bicubic': 0 } as const;

describe('resizing is the reference’s, to the stated level:', () => {
  test.each(vectors.stretch)('$reference to $width×$height', async ({ pixels, ...resize }) => {
    const { data } = await pixelsOf('small.png', {}, { ...resize, fit: 'stretch' });
    expect(farthest(data, pixels)).toBeLessThanOrEqual(tolerances[resize.reference]);
  });
  test.each(vectors.letterbox)('$reference in a letterbox of $width×$height', async ({ pixels, ...resize }) => {
    const { data } = await pixelsOf('small.png', {}, { ...resize, fit: 'letterbox' });
    expect(farthest(data, pixels)).toBeLessThanOrEqual(tolerances[resize.reference]);
  });
  test.each(vectors.shrunk)('$reference of a camera’s picture to $width×$height', ({ width, height, every, pixels }) => {
    const whole = { left: 0, top: 0, width, height };
    const data = resampled(frame(), { width, height }, whole, 'opencv-area').filter((_, i) => i % every === 0);
    expect(farthest(data, pixels)).toBeLessThanOrEqual(tolerances['opencv-area']);
  });
  test('a part of the result is the same as that part of the whole', async () => {
    const whole = await pixelsOf('small.png', {}, { width: 42, height: 30, fit: 'stretch', reference: 'opencv-linear' });
    const middle = await pixelsOf('small.png', {}, { width: 20, height: 30, fit: 'centre-crop', reference: 'opencv-linear' });
    const row = (y: number, from: number, count: number, width: number, data: Uint8Array) =>
      data.subarray((y * width + from) * 3, (y * width + from + count) * 3);
    for (const y of [0, 7, 29]) expect(row(y, 0, 20, 20, middle.data)).toEqual(row(y, 11, 20, 42, whole.data));
  });
});

test('grey is Pillow’s, to the level', async () => {
  expect((await pixelsOf('small.png', { colour: 'grey-bt601' }, asItIs)).data).toEqual(vectors.grey);
});

test('a picture over a colour is Pillow’s, to one level', async () => {
  const { over, pixels } = vectors.alpha;
  expect(farthest((await pixelsOf('see-through.png', { alpha: { over } }, asItIs)).data, pixels)).toBeLessThanOrEqual(1);
});

test('uint8 pixels are handed on as they are', async () => {
  const { data, type, shape } = await prepared(picture('small.png'), [
    steps.decode(),
    { resize: Resize.parse(asItIs) },
    { pixels: { layout: 'NHWC' } },
  ]);
  expect([type, shape]).toEqual(['UINT8', [1, vectors.height, vectors.width, 3]]);
  expect(data).toEqual((await pixelsOf('small.png', {}, asItIs)).data);
});

test.each(vectors.quantize.cases)('quantize by $scale and $zeroPoint to $type is numpy’s', ({ levels, ...options }) => {
  expect(Array.from(quantized(vectors.quantize.values, options))).toEqual(levels);
});

test.each(['sigmoid', 'softmax'] as const)('%s is scipy’s to 1e-6', async (name) => {
  const { logits, shares } = vectors[name];
  const { outputs } = await answered(tensor([1, logits.length], logits), { [name]: {} } as never);
  expect(farthest(outputs[0]!.data as Float32Array, shares)).toBeLessThan(1e-6);
});

test.each(vectors.yolo)(
  'boxes of YOLO $format are numpy’s, thinned out as by OpenCV',
  async ({ format, shape, output, boxes }) => {
    const yolo = { 'yolo-boxes': { format, minScore: 0.3, labels: 'labels.txt' } };
    const { candidates } = await answered(tensor(shape, output), yolo, { nms: Nms.parse({ iou: 0.45, maxBoxes: 50 }) });
    const found = boxesOf(candidates!, undefined);
    expect(found.map(({ index }) => index)).toEqual(boxes.map(({ index }) => index));
    expect(boxes.length).toBeGreaterThan(5);
    found.forEach(({ score, box: { left, top, width, height } }, i) => {
      expect(score).toBeCloseTo(boxes[i]!.score, 5);
      expect(farthest([left, top, left + width, top + height], boxes[i]!.corners)).toBeLessThan(1e-3);
    });
  },
);

test.each(vectors.anchors)('SSD anchors are MediaPipe’s to 1e-6', ({ options, anchors }) => {
  expect(farthest(ssdAnchors(options), anchors)).toBeLessThan(1e-6);
});

test.each(vectors.ctc)(
  'CTC with the blank at $blank reads what numpy reads',
  async ({ shape, blank, output, classes, score }) => {
    const { findings } = await answered(tensor(shape, output), { ctc: { labels: 'labels.txt', blank } });
    const label = (index: number) => `label ${index < blank ? index : index - 1}`;
    expect(findings.text!.value).toBe(classes.map(label).join(''));
    expect(findings.text!.score).toBeCloseTo(score, 5);
  },
);

test('areas count as numpy does', async () => {
  const { shape, output, counts } = vectors.areas;
  const { findings } = await answered(tensor(shape, output), { areas: { labels: 'labels.txt', layout: 'NCHW' } });
  const found = counts.map((_, index) => findings.areas!.find((area) => area.index === index)?.pixels ?? 0);
  expect(found).toEqual(counts);
  expect(findings.areas!.map(({ pixels }) => pixels)).toEqual(counts.filter((n) => n > 0).toSorted((a, b) => b - a));
  const total = counts.reduce((a, b) => a + b, 0);
  expect(findings.areas!.every(({ pixels, share }) => share === pixels / total)).toBe(true);
});
