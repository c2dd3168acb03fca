import { Normalise, PreprocessStep } from '@flotilla/protocol/device';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Frame, decodeAnswer, encodeFrame, frameType } from '../../frame.js';
import { Prediction } from '../../prediction.js';
import { Workshop } from '../fixtures/orders.js';
import { type Served, picture, serve, sum } from '../fixtures/served.js';
import { eventually } from '../../fixtures/eventually.js';

const workshop = new Workshop();
const path = '/v1/slots/inspection/frames';
let slot: Served;
beforeAll(async () => {
  slot = await serve(workshop, await workshop.smallRelease('colour'));
});
afterAll(async () => {
  await slot.close();
  await workshop.clear();
});

const head = { stream: 'camera-1', capturedAt: '2026-03-01T10:00:00.000Z' };
const send = (frame: Frame, to = slot) => to.post(path, new Uint8Array(encodeFrame(frame)), frameType);
async function answer(frame: Frame, to = slot): Promise<Prediction> {
  const response = await send(frame, to);
  const body = new Uint8Array(await response.arrayBuffer());
  expect(response.status, Buffer.from(body).toString('latin1')).toBe(200);
  expect(response.headers.get('content-type')).toBe(frameType);
  const { predictions, state } = decodeAnswer(body, Prediction);
  expect(state).toBeUndefined();
  expect(predictions).toHaveLength(1);
  return predictions[0]!;
}
async function refused(frame: Frame, to = slot): Promise<string> {
  const response = await send(frame, to);
  expect(response.status).toBe(400);
  return ((await response.json()) as { error: string }).error;
}
const encoded = (payload: Uint8Array, more: object = {}): Frame => ({
  head: { ...head, payload: { kind: 'encoded' }, ...more },
  payload,
});
const pixels = (payload: Uint8Array, width: number, height: number, channels: 1 | 3 = 3, more: object = {}): Frame => ({
  head: { ...head, payload: { kind: 'pixels', width, height, channels }, ...more },
  payload,
});
/** Red on the left, blue on the right. */
const halves = Uint8Array.from({ length: 16 * 8 * 3 }, (_, i) => (i % 3 === ((i / 3) % 16 < 8 ? 0 : 2) ? 255 : 0));

describe('a frame of the slot’s source', () => {
  test('is answered with a prediction that says where it came from, and recorded', async () => {
    const prediction = await answer(encoded(await picture('#c86432'), { name: 'a.png', inspection: 'part-7' }));
    expect(prediction).toMatchObject({ ...head, source: 'a.png', inspection: 'part-7', top: [{ label: 'red' }, {}] });
    const latest = await fetch(`${slot.base}/v1/slots/inspection/predictions/latest`);
    expect(await latest.json()).toMatchObject({ id: prediction.id, quality: 'good', inspection: 'part-7' });
  });

  test('may be pixels as they are, and gives what the same picture encoded gives', async () => {
    const png = await sharp(halves, { raw: { width: 16, height: 8, channels: 3 } })
      .png()
      .toBuffer();
    const { top } = await answer(encoded(png));
    expect((await answer(pixels(halves, 16, 8))).top).toEqual(top);
  });

  test('may be grey', async () => {
    const grey = new Uint8Array(64).fill(100);
    const { top } = await answer(pixels(new Uint8Array(192).fill(100), 8, 8));
    expect((await answer(pixels(grey, 8, 8, 1))).top).toEqual(top);
  });

  test('is cropped as this device says', async () => {
    const half = (left: number) => ({ overrides: { crop: { left, top: 0, width: 0.5, height: 1, unit: 'fraction' } } });
    expect((await answer(pixels(halves, 16, 8, 3, half(0)))).top[0]!.label).toBe('red');
    expect((await answer(pixels(halves, 16, 8, 3, half(0.5)))).top[0]!.label).toBe('blue');
  });

  test('leaves out what scores below this device’s own limit', async () => {
    const frame = pixels(halves, 16, 8);
    const [best, second] = (await answer(frame)).top;
    const { top } = await answer({ ...frame, head: { ...frame.head, overrides: { minScore: best!.score } } });
    expect(top.filter(({ score }) => score < best!.score)).toEqual([]);
    expect(second!.score).toBeLessThanOrEqual(best!.score);
  });

  test.each([
    ['of bytes that are no picture', encoded(Uint8Array.of(1, 2, 3)), "the picture can't be read"],
    ['of too few pixels', pixels(new Uint8Array(5), 8, 8), 'it has 5 bytes, 8×8 pixels of 3 are 192'],
  ])('%s is refused, and held against the release', async (_what, frame, reason) => {
    const own = await serve(workshop, await workshop.smallRelease('colour'));
    expect(await refused(frame, own)).toContain(reason);
    expect(await eventually(() => sum(own.sent, 'errors'))).toBe(1);
    await own.close();
  });

  test('is not held against the release where another device sent it, nor where the crop of this one is at fault', async () => {
    const own = await serve(workshop, await workshop.smallRelease('colour'), {}, {}, { isNear: () => false });
    expect(await refused(encoded(Uint8Array.of(1, 2, 3)), own)).toContain("the picture can't be read");
    const crop = { left: 8, top: 0, width: 16, height: 8, unit: 'pixels' };
    expect(await refused(pixels(halves, 16, 8, 3, { overrides: { crop } }), own)).toMatch(
      /^the device's crop does not fit: it is 16×8, the crop takes/,
    );
    await answer(pixels(halves, 16, 8), own);
    expect(await eventually(() => sum(own.sent, 'ok'))).toBe(1);
    expect(sum(own.sent, 'errors')).toBe(0);
    await own.close();
  });

  test('that is no frame is refused', async () => {
    const response = await slot.post(path, Uint8Array.of(0, 0, 1), frameType);
    expect([response.status, await response.json()]).toEqual([
      400,
      { error: 'the body is no frame: it is too short for a frame' },
    ]);
    expect((await slot.post(path, 'x', 'image/png')).status).toBe(415);
  });
});

test('a crop of the device takes the place of the release’s, and boxes still lie in the whole picture', async () => {
  const preprocess = [
    { decode: {} },
    { crop: { left: 0.5, top: 0, width: 0.5, height: 1, unit: 'fraction' } },
    { resize: { width: 8, height: 8, fit: 'stretch', reference: 'nearest' } },
    { normalise: Normalise.parse({ mean: [0, 0, 0], std: [255, 255, 255], layout: 'NCHW' }) },
  ].map((step) => PreprocessStep.parse(step));
  const own = await serve(workshop, await workshop.smallRelease('colour', { preprocess }));
  expect((await answer(pixels(halves, 16, 8), own)).top[0]!.label).toBe('blue');
  const crop = { left: 0, top: 0, width: 8, height: 8, unit: 'pixels' };
  expect((await answer(pixels(halves, 16, 8, 3, { overrides: { crop } }), own)).top[0]!.label).toBe('red');
  await own.close();
});

describe('a file of another kind among the source’s own', () => {
  const stray: Frame = { head: { ...head, payload: { kind: 'features' } }, payload: Buffer.from('{"a": 1}') };
  const why = 'colours@1.0.0 takes no features: send a JPEG, PNG or WebP';
  const errorsAfter = async (frames: readonly Frame[]) => {
    const fresh = await serve(workshop, await workshop.smallRelease('colour'));
    for (const frame of frames) {
      if (frame === stray) expect(await refused(frame, fresh)).toContain(why);
      else await answer(frame, fresh);
    }
    await fresh.close();
    return sum(fresh.sent, 'errors');
  };

  test('is no error of the release, though it be the first that comes after a swap', async () => {
    expect(await errorsAfter([stray, encoded(await picture('red')), stray])).toBe(0);
  });

  test('is one where nothing else comes: five in a row end a probation', async () => {
    expect(await errorsAfter(Array.from({ length: 4 }, () => stray))).toBe(0);
    expect(await errorsAfter(Array.from({ length: 5 }, () => stray))).toBe(5);
    expect(await errorsAfter(Array.from({ length: 6 }, () => stray))).toBe(6);
  });
});
