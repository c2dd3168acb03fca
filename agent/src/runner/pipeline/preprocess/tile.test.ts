import { PreprocessStep, Tile, preprocessing, tileProblem } from '@flotilla/protocol/device';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { frame } from '../fixtures/vectors.js';
import type { Picture } from '../stages.js';
import { corners, openTile } from './tile.js';

const picture = (width: number, height: number, cut?: Picture['cut']): Picture => ({
  kind: 'picture',
  pixels: () => Promise.resolve(frame(width, height)),
  width,
  height,
  colour: 'rgb',
  ...(cut ? { cut } : {}),
});
const tilesOf = (whole: Picture, options: Tile) => {
  const stage = openTile(options)(whole);
  if (!('kind' in stage) || stage.kind !== 'tiles') throw new Error('no tiles');
  return stage.tiles;
};

test.each<[string, [number, number], Tile, [number, number][]]>([
  ['one, where the picture is no larger', [100, 80], { width: 100, height: 80, overlap: 10 }, [[0, 0]]],
  [
    'the last one flush with the edge',
    [250, 100],
    { width: 100, height: 100, overlap: 0 },
    [
      [0, 0],
      [100, 0],
      [150, 0],
    ],
  ],
  [
    'rows and columns',
    [160, 160],
    { width: 100, height: 100, overlap: 40 },
    [
      [0, 0],
      [60, 0],
      [0, 60],
      [60, 60],
    ],
  ],
])('tiles are %s', (_what, [width, height], options, expected) => {
  expect(corners({ width, height }, options).map(({ left, top }) => [left, top])).toEqual(expected);
});

test('every object as large as the overlap lies whole in some tile', () => {
  const side = fc.integer({ min: 16, max: 400 });
  const shape = fc.record({
    width: side,
    height: side,
    tile: fc.integer({ min: 16, max: 120 }),
    share: fc.double({ min: 0, max: 0.9, noNaN: true }),
  });
  fc.assert(
    fc.property(shape, fc.nat(), fc.nat(), ({ width, height, tile, share }, x, y) => {
      const overlap = Math.floor(tile * share);
      const options = { width: tile, height: tile, overlap, most: 1_000_000 };
      const all = corners({ width, height }, options);
      const [w, h] = [Math.min(tile, width), Math.min(tile, height)];
      const size = Math.max(1, Math.min(overlap, w, h));
      const [left, top] = [x % (width - size + 1), y % (height - size + 1)];
      const holds = (corner: { left: number; top: number }) =>
        corner.left <= left && left + size <= corner.left + w && corner.top <= top && top + size <= corner.top + h;
      expect(all.some(holds)).toBe(true);
      expect(
        all.every((corner) => corner.left >= 0 && corner.left + w <= width && corner.top >= 0 && corner.top + h <= height),
      ).toBe(true);
    }),
  );
});

test('too many are refused with their number', () => {
  const options = { width: 100, height: 100, overlap: 50 };
  expect(() => corners({ width: 4000, height: 3000 }, options)).toThrow(
    'it is 4000×3000, which is 4661 tiles; the release takes 64 at most',
  );
});

test('each has its own pixels, and knows where it lies in the whole, after a crop too', async () => {
  const cut = { left: 7, top: 9, width: 500, height: 400 };
  const tiles = tilesOf(picture(60, 40, cut), { width: 40, height: 40, overlap: 10 });
  expect(tiles.map((tile) => tile.cut)).toEqual([
    { left: 7, top: 9, width: 500, height: 400 },
    { left: 27, top: 9, width: 500, height: 400 },
  ]);
  const [whole, { data }] = [frame(60, 40), await tiles[1]!.pixels()];
  expect(data.subarray(3 * 40 * 12, 3 * 40 * 13)).toEqual(whole.data.subarray(3 * (60 * 12 + 20), 3 * (60 * 12 + 60)));
});

test('the picture is decoded once for all of them', async () => {
  let decoded = 0;
  const once = { ...picture(60, 40), pixels: () => Promise.resolve((decoded++, frame(60, 40))) };
  await Promise.all(tilesOf(once, { width: 40, height: 40, overlap: 10 }).map((tile) => tile.pixels()));
  expect(decoded).toBe(1);
});

describe('a release', () => {
  const steps = (...between: object[]) =>
    [
      { decode: {} },
      ...between,
      { resize: { width: 8, height: 8, fit: 'letterbox', pad: 0, reference: 'opencv-area' } },
      { pixels: { layout: 'NHWC' } },
    ].map((step) => PreprocessStep.parse(step));
  const tile = { tile: { width: 640, height: 640, overlap: 100 } };
  test('may tile what it decodes and crops, once', () => {
    const crop = { crop: { left: 0, top: 0, width: 1, height: 0.5, unit: 'fraction' } };
    expect(preprocessing(steps(crop, tile))).toEqual({ asked: 'picture', type: 'UINT8', shape: [1, 8, 8, 3] });
    expect(preprocessing(steps(tile, tile))).toMatchObject({ problem: expect.stringContaining("tile can't follow tiles") });
    expect(preprocessing(steps(tile, crop))).toMatchObject({ problem: expect.stringContaining("crop can't follow tiles") });
  });
  test('overlaps by less than a tile', () => {
    expect(Tile.safeParse({ width: 100, height: 50, overlap: 50 }).success).toBe(false);
  });
  test.each<[string, object[], string | undefined]>([
    ['boxes', [{ 'yolo-boxes': {} }, { nms: {} }], undefined],
    ['classes', [{ softmax: {} }, { 'top-k': {} }], undefined],
    ['text', [{ ctc: {} }], "preprocess has tile, and what ctc finds in many tiles can't be put together"],
    [
      'nothing',
      [{ softmax: {} }],
      'preprocess has tile, which needs a step that finds something in postprocess: one of ssd-boxes, yolo-boxes, areas, top-k, multi-label, anomaly',
    ],
  ])('that finds %s in tiles', (_what, post, problem) => {
    expect(tileProblem({ preprocess: [{ decode: {} }, tile], postprocess: post })).toBe(problem);
    expect(tileProblem({ preprocess: [{ decode: {} }], postprocess: post })).toBeUndefined();
  });
  test('remembers nothing from tile to tile', () => {
    expect(tileProblem({ preprocess: [{ decode: {} }, tile], postprocess: [], recurrent: [{}] })).toMatch(/one of the two/);
  });
});
