import { readFile } from 'node:fs/promises';
import sharp from 'sharp';
import { afterEach, expect, test } from 'vitest';
import { postFrame } from '../fixtures/frames.js';
import { exampleNetworks, Workshop } from '../fixtures/orders.js';
import { serve, sum, windows } from '../fixtures/served.js';
import { GradedPrediction } from '../slot-api/slot-schemas.js';
import { documented, releaseOf } from './fixtures/release.js';
import { picture } from './fixtures/vectors.js';

const workshop = new Workshop();
afterEach(() => workshop.clear());

const tile = '  - tile: { width: 400, height: 300, overlap: 150 }\n';
async function detector(yaml: (text: string) => string) {
  const model = await readFile(exampleNetworks.faces);
  return serve(
    workshop,
    await releaseOf(workshop, yaml(await documented('face-detector')), { 'model.onnx': model, 'labels.txt': 'face\n' }),
  );
}
const tiled = (text: string) => text.replace('  - decode: {}\n', `  - decode: {}\n${tile}`);

/** The portrait of 360 × 250, whose face begins at 116,62, on a wall of 1500 × 1000. */
const places = [
  { left: 20, top: 30 },
  { left: 700, top: 500 },
];
const wall = () =>
  sharp({ create: { width: 1500, height: 1000, channels: 3, background: '#7090b0' } })
    .composite(places.map((place) => ({ input: Buffer.from(picture('portrait.jpg')), ...place })))
    .jpeg({ quality: 95 })
    .toBuffer();

async function found(slot: Awaited<ReturnType<typeof detector>>, body: Uint8Array): Promise<GradedPrediction> {
  const response = await slot.post('/v1/slots/inspection/predict', new Uint8Array(body), 'image/jpeg');
  return GradedPrediction.parse(await response.json());
}

test('in tiles small faces in a large picture are found, each once, in pixels of the whole', async () => {
  const slot = await detector(tiled);
  const { boxes, computeMs, totalMs } = await found(slot, await wall());
  const centres = boxes!.map(({ box }) => [box.left + box.width / 2, box.top + box.height / 2] as const);
  const sorted = centres.toSorted((a, b) => a[0] - b[0]);
  expect(sorted).toHaveLength(2);
  places.forEach(({ left, top }, i) => {
    expect(Math.abs(sorted[i]![0] - (left + 156))).toBeLessThan(20);
    expect(Math.abs(sorted[i]![1] - (top + 103))).toBeLessThan(20);
  });
  expect(totalMs).toBeGreaterThan(computeMs);
  await slot.close();
  // 6 × 6 tiles, each an inference; the picture is counted under one class once.
  expect(sum(slot.sent, 'ok')).toBe(36);
  expect(windows(slot.sent).flatMap(({ classes }) => Object.entries(classes))).toEqual([['face', 1]]);
});

test('as a whole it is too small for the network to see them', async () => {
  const slot = await detector((text) => text);
  expect((await found(slot, await wall())).boxes).toEqual([]);
  await slot.close();
});

test('a picture of more tiles than the release takes is refused, and not held against it', async () => {
  const slot = await detector((text) => tiled(text).replace('overlap: 150', 'overlap: 150, most: 9'));
  const response = await slot.post('/v1/slots/inspection/predict', new Uint8Array(await wall()), 'image/jpeg');
  expect([response.status, await response.json()]).toEqual([
    400,
    { error: "the picture can't be read: it is 1500×1000, which is 36 tiles; the release takes 9 at most" },
  ]);
  await slot.close();
  expect(sum(slot.sent, 'errors')).toBe(0);
});

test('of a frame this device looks at a part, and boxes still lie in the whole picture', async () => {
  const slot = await detector(tiled);
  const crop = { left: 0.4, top: 0.4, width: 0.6, height: 0.6, unit: 'fraction' as const };
  const { predictions } = await postFrame(slot.base, await wall(), { overrides: { crop } });
  expect(predictions[0]!.boxes).toHaveLength(1);
  const { box } = predictions[0]!.boxes![0]!;
  expect(Math.abs(box.left + box.width / 2 - (places[1]!.left + 156))).toBeLessThan(20);
  expect(Math.abs(box.top + box.height / 2 - (places[1]!.top + 103))).toBeLessThan(20);
  await slot.close();
});

test('tiles of what can not be put together do not load', async () => {
  const text = (yaml: string) =>
    tiled(yaml).replace(/postprocess:[\s\S]*?variants:/, 'postprocess:\n  - values: [{ name: a }]\nvariants:');
  await expect(detector(text)).rejects.toThrow(/preprocess has tile, and what values finds in many tiles can't be put together/);
});
