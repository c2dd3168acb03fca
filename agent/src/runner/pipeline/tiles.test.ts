import { PostprocessStep } from '@flotilla/protocol/device';
import { expect, test } from 'vitest';
import type { Tensor } from '../tensor.js';
import { boxesOf } from './postprocess/boxes.js';
import type { View } from './stages.js';
import { openPostprocess } from './steps.js';
import { TiledAnswer } from './tiles.js';

const output = (shape: number[], values: readonly number[]): Tensor => ({
  name: 'y',
  type: 'FP32',
  shape,
  data: Float32Array.from(values),
});
const one = (shape: number[], values: readonly number[]) => [output(shape, values)];
const labels = ['scratch', 'dent', 'good'];
async function tiled(shape: number[], ...steps: object[]) {
  const around = { outputs: [{ name: 'y', shape }], labels: () => Promise.resolve(labels) };
  const opened = await openPostprocess(
    steps.map((step) => PostprocessStep.parse(step)),
    around,
  );
  return new TiledAnswer(opened, (step, before) => step.run(before));
}
/** A tile of 100 × 100 pixels, twice as large as the model's input, that begins there in a picture of 300 × 200. */
const view = (left: number, top: number): View => ({
  scaleX: 0.5,
  scaleY: 0.5,
  shiftX: -left / 2,
  shiftY: -top / 2,
  width: 300,
  height: 200,
});

test('boxes lie in the whole picture, and one that two tiles see is one', async () => {
  const answer = await tiled(
    [1, 2, 8],
    { 'yolo-boxes': { format: 'v5', minScore: 0.5, labels: 'labels.txt' } },
    { nms: { iou: 0.5 } },
  );
  // x, y, width, height in the model's pixels, objectness, then a score each.
  answer.add(one([1, 2, 8], [40, 20, 10, 10, 1, 0.9, 0, 0, 10, 40, 8, 8, 1, 0, 0.7, 0]), view(0, 0));
  answer.add(one([1, 2, 8], [10, 20, 10, 10, 1, 0.8, 0, 0, 45, 45, 20, 20, 1, 0, 0, 0.6]), view(60, 0));
  const { candidates, view: whole } = answer.finish();
  expect(boxesOf(candidates!, whole)).toEqual([
    { label: 'scratch', index: 0, score: expect.closeTo(0.9), box: { left: 70, top: 30, width: 20, height: 20 } },
    { label: 'dent', index: 1, score: expect.closeTo(0.7), box: { left: 12, top: 72, width: 16, height: 16 } },
    { label: 'good', index: 2, score: expect.closeTo(0.6), box: { left: 130, top: 70, width: 40, height: 40 } },
  ]);
});

test('of each class the highest score of all tiles counts', async () => {
  const answer = await tiled(
    [1, 3],
    { sigmoid: {} },
    { 'multi-label': { thresholds: 0.6, labels: 'labels.txt' } },
    { 'top-k': { k: 2, labels: 'labels.txt' } },
  );
  answer.add(one([1, 3], [-1, 2, 0]), view(0, 0));
  answer.add(one([1, 3], [1, -5, 0]), view(60, 0));
  const { findings } = answer.finish();
  expect(findings.labels!.map(({ label }) => label)).toEqual(['dent', 'scratch']);
  expect(findings.top!.map(({ label, score }) => [label, Number(score.toFixed(3))])).toEqual([
    ['dent', 0.881],
    ['scratch', 0.731],
  ]);
});

test('areas are summed, with their share of all tiles', async () => {
  const answer = await tiled([1, 3, 1, 2], { areas: { labels: 'labels.txt', layout: 'NCHW' } });
  answer.add(one([1, 3, 1, 2], [1, 0, 0, 1, 0, 0]), view(0, 0));
  answer.add(one([1, 3, 1, 2], [0, 0, 1, 1, 0, 0]), view(60, 0));
  expect(answer.finish().findings.areas).toEqual([
    { label: 'dent', index: 1, pixels: 3, share: 0.75 },
    { label: 'scratch', index: 0, pixels: 1, share: 0.25 },
  ]);
});

test('no box in any tile is an empty list', async () => {
  const answer = await tiled([1, 1, 8], { 'yolo-boxes': { format: 'v5', minScore: 0.5, labels: 'labels.txt' } });
  answer.add(one([1, 1, 8], [40, 20, 10, 10, 0.1, 0.9, 0, 0]), view(0, 0));
  const { candidates, view: whole } = answer.finish();
  expect(boxesOf(candidates!, whole)).toEqual([]);
});
