import { readFileSync } from 'node:fs';
import { PostprocessStep, Tile } from '@flotilla/protocol/device';
import { expect, test } from 'vitest';
import { z } from 'zod';
import type { Tensor } from '../tensor.js';
import { numbersOf } from '../tensor.js';
import { run, steps } from './fixtures/prepared.js';
import { frame } from './fixtures/vectors.js';
import { boxesOf } from './postprocess/boxes.js';
import { corners, openTile } from './preprocess/tile.js';
import type { Picture, View } from './stages.js';
import { openPostprocess } from './steps.js';
import { TiledAnswer } from './tiles.js';

const bytes = z.base64().transform((text) => new Uint8Array(Buffer.from(text, 'base64')));
const floats = bytes.transform((raw) => new Float32Array(raw.buffer, raw.byteOffset, raw.length / 4));
const shape = z.array(z.int());
const box = z.tuple([z.number(), z.number(), z.number(), z.number()]);
/** What make-tiles.py wrote. */
const vectors = z
  .object({
    layouts: z.array(z.object({ width: z.int(), height: z.int(), tile: Tile, corners: z.array(z.tuple([z.int(), z.int()])) })),
    pixels: z.object({ tile: Tile, width: z.int(), height: z.int(), every: z.int(), tiles: z.array(bytes) }),
    boxes: z.object({
      scale: z.number(),
      shape,
      tiles: z.array(z.object({ left: z.int(), top: z.int(), output: floats })),
      found: z.array(z.object({ index: z.int(), score: z.number(), box })),
    }),
    scores: z.object({ shape, tiles: z.array(floats), highest: floats }),
    areas: z.object({ shape, tiles: z.array(floats), counts: z.array(z.int()) }),
  })
  .parse(JSON.parse(readFileSync(new URL('fixtures/tiles.json', import.meta.url), 'utf8')));

const output = (its: number[], data: Float32Array): Tensor => ({ name: 'y', type: 'FP32', shape: its, data: data as never });
const asItIs: View = { scaleX: 1, scaleY: 1, shiftX: 0, shiftY: 0, width: 800, height: 560 };
const farthest = (actual: ArrayLike<number>, expected: ArrayLike<number>) => {
  expect(actual.length).toBe(expected.length);
  return Math.max(...Array.from(actual, (value, i) => Math.abs(value - expected[i]!)));
};

/** What the tiles' outputs come to together. */
async function together(its: number[], tiles: readonly { output: Float32Array; view: View }[], ...declared: object[]) {
  const labels = (_file: string, classes?: number) => Promise.resolve(Array.from({ length: classes! }, (_, i) => `label ${i}`));
  const opened = await openPostprocess(
    declared.map((step) => PostprocessStep.parse(step)),
    { outputs: [{ name: 'y', shape: its }], labels },
  );
  const answer = new TiledAnswer(opened, (step, before) => step.run(before));
  for (const tile of tiles) answer.add([output(its, tile.output)], tile.view);
  return answer.finish();
}

test.each(vectors.layouts)(
  'tiles of $tile in $width×$height lie where SAHI’s slices do',
  ({ width, height, tile, corners: at }) => {
    expect(corners({ width, height }, { ...tile, most: 1024 }).map(({ left, top }) => [left, top])).toEqual(at);
  },
);

test('each tile is resized as OpenCV resizes numpy’s slice, to one level', async () => {
  const { tile, width, height, every, tiles } = vectors.pixels;
  const whole: Picture = { kind: 'picture', pixels: () => Promise.resolve(frame()), width: 640, height: 480, colour: 'rgb' };
  const stage = await openTile(tile)(whole);
  if (!('kind' in stage) || stage.kind !== 'tiles') throw new Error('no tiles');
  expect(stage.tiles).toHaveLength(tiles.length);
  for (const [i, expected] of tiles.entries()) {
    const resized = await run(stage.tiles[i]!, [steps.resize({ width, height, fit: 'stretch', reference: 'opencv-area' })]);
    if (resized.kind !== 'pixels') throw new Error(resized.kind);
    expect(
      farthest(
        resized.data.filter((_, at) => at % every === 0),
        expected,
      ),
    ).toBeLessThanOrEqual(1);
  }
});

test('boxes of all tiles are numpy’s in the whole picture, thinned out as by OpenCV', async () => {
  const { scale, shape: its, tiles, found } = vectors.boxes;
  const seen = tiles.map(({ left, top, output: its }) => ({
    output: its,
    view: { ...asItIs, scaleX: scale, scaleY: scale, shiftX: -left * scale, shiftY: -top * scale },
  }));
  const yolo = { 'yolo-boxes': { format: 'v8', minScore: 0.4, labels: 'labels.txt' } };
  const { candidates, view } = await together(its, seen, yolo, { nms: { iou: 0.45 } });
  const boxes = boxesOf(candidates!, view);
  expect(boxes.map(({ index }) => index)).toEqual(found.map(({ index }) => index));
  boxes.forEach(({ score, box: { left, top, width, height } }, i) => {
    expect(score).toBeCloseTo(found[i]!.score, 5);
    expect(farthest([left, top, width, height], found[i]!.box)).toBeLessThan(1e-3);
  });
});

test('of each score the highest of all tiles is numpy’s', async () => {
  const { shape: its, tiles, highest } = vectors.scores;
  const seen = tiles.map((one) => ({ output: one, view: asItIs }));
  const { outputs } = await together(its, seen, { 'top-k': { k: 6, labels: 'labels.txt' } });
  expect(Float32Array.from(numbersOf(outputs[0]!))).toEqual(highest);
});

test('areas of all tiles are counted as numpy does', async () => {
  const { shape: its, tiles, counts } = vectors.areas;
  const seen = tiles.map((one) => ({ output: one, view: asItIs }));
  const { findings } = await together(its, seen, { areas: { labels: 'labels.txt', layout: 'NCHW' } });
  const counted = new Map(findings.areas!.map(({ index, pixels }) => [index, pixels]));
  expect(counts.map((_, index) => counted.get(index) ?? 0)).toEqual(counts);
});
