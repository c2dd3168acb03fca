import { readFileSync } from 'node:fs';
import { DbBoxes, Resize } from '@flotilla/protocol/device';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { openDbBoxes } from '../postprocess/db-boxes.js';
import { frameOf, placeOf } from '../preprocess/place.js';
import { ontoQuad } from './transform.js';
import { warped } from './warp.js';

const bytes = z.base64().transform((text) => new Uint8Array(Buffer.from(text, 'base64')));
const point = z.tuple([z.number(), z.number()]);
const quad = z.array(point).length(4);
const pair = z.tuple([z.int(), z.int()]);
const size = { width: z.int(), height: z.int() };
const Vectors = z.object({
  map: z.object({ ...size, levels: bytes }),
  boxes: z.array(
    z.object({
      threshold: z.number(),
      minScore: z.number(),
      unclip: z.number(),
      found: z.array(z.object({ score: z.number(), quad })),
    }),
  ),
  picture: z.object({ ...size, pixels: bytes }),
  cuts: z.array(z.object({ reference: z.enum(['opencv-linear', 'opencv-cubic']), quad, ...size, pixels: bytes })),
  within: z.array(z.object({ from: pair, limit: z.int(), multiple: z.int(), to: pair })),
  height: z.array(z.object({ from: pair, height: z.int(), least: z.int(), most: z.int(), to: pair })),
});
/** What fixtures/make.py wrote with PP-OCR's own postprocessing and OpenCV. */
const vectors = Vectors.parse(JSON.parse(readFileSync(new URL('fixtures/vectors.json', import.meta.url), 'utf8')));

const sized = ([width, height]: [number, number]) => ({ width, height });

test.each(vectors.boxes)(
  'db-boxes finds what DBPostProcess does, within 1.5 pixels of the map: $threshold, $minScore, $unclip',
  ({ found, ...options }) => {
    const { width, height, levels } = vectors.map;
    const shape = [1, 1, height, width];
    const output = { name: 'map', type: 'FP32' as const, shape, data: Float32Array.from(levels, (level) => level / 255) };
    const step = openDbBoxes(DbBoxes.parse(options), { outputs: [output], labels: () => Promise.reject(new Error('no labels')) });
    const { candidates } = step({ outputs: [output], view: undefined, findings: {} });
    expect(candidates!.count).toBe(found.length);
    found.forEach((expected, i) => {
      expect(Math.abs(candidates!.scores[i]! - expected.score)).toBeLessThan(0.002);
      const corners = candidates!.quads!.subarray(i * 8, i * 8 + 8);
      const off = expected.quad.flat().map((value, at) => Math.abs(value - corners[at]!));
      expect(Math.max(...off), `box ${i}`).toBeLessThan(1.5);
    });
  },
);

test.each(vectors.cuts)('$reference reads a quad as warpPerspective, within 2 of 255', ({ pixels, ...cut }) => {
  const { width, height } = cut;
  const source = { ...sized([vectors.picture.width, vectors.picture.height]), data: vectors.picture.pixels };
  const result = warped(source, { width, height }, ontoQuad({ width, height }, cut.quad), cut.reference);
  const off = Array.from(pixels, (level, at) => Math.abs(level - result[at]!));
  expect(result).toHaveLength(pixels.length);
  expect(Math.max(...off)).toBeLessThanOrEqual(2);
  expect(off.reduce((sum, by) => sum + by, 0) / off.length).toBeLessThan(0.5);
});

test.each(vectors.within)('fit: within makes $to of $from, as PP-OCR', ({ from, limit, multiple, to }) => {
  const options = Resize.parse({ width: limit, height: limit, fit: 'within', multipleOf: multiple, reference: 'opencv-linear' });
  expect(frameOf(sized(from), options)).toMatchObject(sized(to));
});

test.each(vectors.height)('fit: height makes $to of $from, as PP-OCR', ({ from, height, least, most, to: [scaled, padded] }) => {
  const options = Resize.parse({ width: most, height, fit: 'height', minWidth: least, pad: 127, reference: 'opencv-linear' });
  expect(placeOf(sized(from), options)).toEqual({ width: scaled, height, left: 0, top: 0 });
  expect(frameOf(sized(from), options)).toEqual({ width: padded, height });
});
