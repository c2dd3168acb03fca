import { readFile } from 'node:fs/promises';
import sharp from 'sharp';
import { afterEach, describe, expect, test } from 'vitest';
import { parseExposition } from '../fixtures/exposition.js';
import { postFrame } from '../fixtures/frames.js';
import { exampleNetworks, Workshop } from '../fixtures/orders.js';
import { type Served, serve, windows } from '../fixtures/served.js';
import { GradedPrediction } from '../slot-api/slot-schemas.js';
import { documented, releaseOf } from './fixtures/release.js';
import { picture } from './fixtures/vectors.js';

const workshop = new Workshop();
afterEach(() => workshop.clear());
const predictPath = '/v1/slots/inspection/predict';

async function answer(slot: Served, body: string | Uint8Array<ArrayBuffer>, type?: string): Promise<GradedPrediction> {
  const response = await slot.post(predictPath, body, type);
  const json = (await response.json()) as { error?: string };
  expect(json.error).toBeUndefined();
  return GradedPrediction.parse(json);
}

describe('the documented detector', () => {
  const detector = async (yaml = (text: string) => text) => {
    const model = await readFile(exampleNetworks.faces);
    const files = { 'model.onnx': model, 'labels.txt': 'face\n' };
    return serve(workshop, await releaseOf(workshop, yaml(await documented('face-detector')), files));
  };
  // Her face in the photograph of 360 × 250 pixels, by eye: brow to chin, cheek to cheek.
  const face = { left: 116, top: 62, width: 80, height: 82 };
  const overlap = (a: typeof face, b: typeof face) => {
    const width = Math.min(a.left + a.width, b.left + b.width) - Math.max(a.left, b.left);
    const height = Math.min(a.top + a.height, b.top + b.height) - Math.max(a.top, b.top);
    const both = Math.max(0, width) * Math.max(0, height);
    return both / (a.width * a.height + b.width * b.height - both);
  };

  test('finds the one face in a photograph, in its pixels', async () => {
    const slot = await detector();
    const { boxes, top, outputs } = await answer(slot, picture('portrait.jpg'), 'image/jpeg');
    expect([top, outputs]).toEqual([[], undefined]);
    expect(boxes).toMatchObject([{ label: 'face', index: 0 }]);
    expect(boxes![0]!.score).toBeGreaterThan(0.8);
    expect(overlap(boxes![0]!.box, face)).toBeGreaterThan(0.6);
    await slot.close();
    expect(windows(slot.sent).flatMap(({ classes }) => Object.entries(classes))).toEqual([['face', 1]]);
  });

  test('finds it where it lies in a picture of another shape, in a part of it, and turned', async () => {
    const portrait = picture('portrait.jpg');
    const tall = await sharp(portrait).extend({ top: 300, left: 40, background: '#808080' }).jpeg({ quality: 95 }).toBuffer();
    const turned = await sharp(portrait).rotate(-90).jpeg({ quality: 95 }).withMetadata({ orientation: 6 }).toBuffer();
    const slot = await detector();
    const [inTall, inTurned] = [
      await answer(slot, new Uint8Array(tall), 'image/jpeg'),
      await answer(slot, new Uint8Array(turned), 'image/jpeg'),
    ];
    expect(overlap(inTall.boxes![0]!.box, { ...face, left: face.left + 40, top: face.top + 300 })).toBeGreaterThan(0.6);
    expect(overlap(inTurned.boxes![0]!.box, face)).toBeGreaterThan(0.6);
    await slot.close();
    const part = '  - decode: {}\n  - crop: { left: 60, top: 20, width: 200, height: 200, unit: pixels }\n';
    const cropped = await detector((yaml) => yaml.replace('  - decode: {}\n', part));
    expect(overlap((await answer(cropped, portrait, 'image/jpeg')).boxes![0]!.box, face)).toBeGreaterThan(0.6);
    await cropped.close();
  });

  test('finds none where there is none, and says what its steps cost', async () => {
    const slot = await detector();
    const empty = await sharp({ create: { width: 300, height: 200, channels: 3, background: '#7090b0' } })
      .png()
      .toBuffer();
    expect((await answer(slot, new Uint8Array(empty), 'image/png')).boxes).toEqual([]);
    const samples = parseExposition(await (await fetch(`${slot.base}/metrics`)).text());
    for (const step of ['decode', 'resize', 'normalise', 'ssd-boxes', 'nms']) {
      expect(samples.get(`flotilla_pipeline_step_seconds_count{slot="inspection",step="${step}"}`)).toBe(1);
      expect(samples.get(`flotilla_pipeline_step_seconds_sum{slot="inspection",step="${step}"}`)).toBeGreaterThan(0);
    }
    await slot.close();
    expect(windows(slot.sent).flatMap(({ classes }) => Object.entries(classes))).toEqual([['(none)', 1]]);
  });

  test.each<[string, (yaml: string) => string, RegExp]>([
    [
      'another grid',
      (yaml) => yaml.replace('strides: [8, 16, 16, 16]', 'strides: [8, 16, 16, 8]'),
      /makes 1280 anchors for 896 scores/,
    ],
    [
      'an unknown output',
      (yaml) => yaml.replace('scores: ["Identity:0"', 'scores: ["Identity:9"'),
      /reads the output "Identity:9"/,
    ],
    ['labels of another model', (yaml) => yaml.replace('labels: labels.txt', 'labels: faces.txt'), /faces.txt can't be read/],
  ])('with %s does not load', async (_what, change, message) => {
    await expect(detector(change)).rejects.toThrow(message);
  });
});

describe('the documented sensor table', () => {
  const pump = async () => {
    const model = await readFile(new URL('../fixtures/pump.onnx', import.meta.url));
    return serve(workshop, await releaseOf(workshop, await documented('pump-health'), { 'model.onnx': model }));
  };
  const asked = (features: object) => JSON.stringify({ features });

  test('is asked by name and answers in units', async () => {
    const slot = await pump();
    const good = await answer(slot, asked({ temperature: 65, pressure: 4, mode: 'running' }));
    // (65 − 45) / 10 = 2, 4 / 10 = 0.4, running = 1: the model's sums are in fixtures/make.py.
    expect(good.values).toEqual([{ name: 'remaining life', value: expect.closeTo(2100, 2), unit: 'h' }]);
    expect(good.anomaly).toEqual({ score: expect.closeTo(2.4, 5), threshold: 3, found: false });
    const bad = await answer(slot, asked({ pressure: 40, mode: 'descaling' }));
    expect(bad.anomaly).toMatchObject({ score: expect.closeTo(4, 5), found: true });
    await slot.close();
    expect(windows(slot.sent).flatMap(({ classes }) => Object.entries(classes))).toEqual([
      ['anomaly', 1],
      ['normal', 1],
    ]);
  });

  test.each<[string, object, string]>([
    ['a missing one', { temperature: 1, mode: 'idle' }, `the features can't be read: the feature "pressure" is missing`],
    [
      'text for a number',
      { pressure: '4', mode: 'idle' },
      `the features can't be read: the feature "pressure" is "4", expected a number`,
    ],
    ['a null', { pressure: null, mode: 'idle' }, `the features can't be read: the feature "pressure" is missing`],
    [
      'a stranger',
      { presure: 4 },
      `the features can't be read: there is no feature "presure"; there are temperature, pressure, mode`,
    ],
  ])('refuses %s in a sentence that is not held against the release', async (_what, features, error) => {
    const slot = await pump();
    const response = await slot.post(predictPath, asked(features));
    expect([response.status, await response.json()]).toEqual([400, { error }]);
    const picked = await slot.post(predictPath, picture('small.png'), 'image/png');
    expect(await picked.json()).toEqual({ error: `the features can't be read: it is no JSON` });
    await slot.close();
    expect(windows(slot.sent).every(({ errors }) => errors === 0)).toBe(true);
  });

  test('is fed by a source of JSON files as well', async () => {
    const model = await readFile(new URL('../fixtures/pump.onnx', import.meta.url));
    const load = await releaseOf(workshop, await documented('pump-health'), { 'model.onnx': model });
    const slot = await serve(workshop, load);
    const features = Buffer.from('{"pressure": 4, "mode": "idle"}');
    const { predictions } = await postFrame(slot.base, features, { name: 'a.json', payload: { kind: 'features' } });
    expect(predictions).toMatchObject([{ source: 'a.json', anomaly: { found: false } }]);
    await slot.close();
    expect(windows(slot.sent).every(({ errors }) => errors === 0)).toBe(true);
  });
});
