import sharp, { type Sharp } from 'sharp';
import { expect, test } from 'vitest';
import { prepared, steps } from '../fixtures/prepared.js';

const { resize, normalise } = steps;
/** An encoded picture to the planes of the model's input. */
async function pictureToTensor(encoded: Uint8Array, how: Parameters<typeof steps.decode>[0] = {}) {
  const { data } = await prepared(encoded, [steps.decode(how), resize(), normalise()]);
  return data as Float32Array;
}

const flat = (colour: string, width = 32, height = 16) => sharp({ create: { width, height, channels: 3, background: colour } });
/** Mean of the red, green and blue planes, and of the red plane's upper half. */
async function means(encoded: Uint8Array, how: Parameters<typeof steps.decode>[0] = {}) {
  const tensor = await pictureToTensor(encoded, how);
  const mean = (values: Float32Array) => Math.round(values.reduce((a, b) => a + b, 0) / values.length);
  return { rgb: [0, 1, 2].map((c) => mean(tensor.subarray(c * 64, c * 64 + 64))), topRed: mean(tensor.subarray(0, 32)) };
}
/** Red above, black below. */
const redAbove = () =>
  flat('black', 32, 32)
    .composite([{ input: { create: { width: 32, height: 16, channels: 3, background: 'red' } }, top: 0, left: 0 }])
    .png()
    .toBuffer();

test('a plain picture', async () => expect((await means(await flat('#c86432').png().toBuffer())).rgb).toEqual([200, 100, 50]));

test('blue first where the release says so', async () => {
  const picture = await flat('#c86432').png().toBuffer();
  expect((await means(picture, { colour: 'bgr' })).rgb).toEqual([50, 100, 200]);
});

test('a rotated picture is turned upright, or left alone where the release ignores EXIF', async () => {
  const upsideDown = await sharp(await redAbove())
    .jpeg({ quality: 100 })
    .withMetadata({ orientation: 3 })
    .toBuffer();
  expect((await means(upsideDown)).topRed).toBeLessThan(20);
  expect((await means(upsideDown, { exif: 'ignore' })).topRed).toBeGreaterThan(235);
});

test('a quarter turn swaps width and height before the crop', async () => {
  const turned = await sharp(await redAbove())
    .resize(64, 16, { fit: 'fill' })
    .jpeg({ quality: 100 })
    .withMetadata({ orientation: 6 })
    .toBuffer();
  // Turned clockwise the red half is on the right.
  const tensor = await pictureToTensor(turned);
  expect(tensor[0]).toBeLessThan(20);
  expect(tensor[7]).toBeGreaterThan(235);
});

test('a grey picture has three equal channels', async () => {
  expect((await means(await flat('#646464').toColourspace('b-w').jpeg().toBuffer())).rgb).toEqual([100, 100, 100]);
});

test('a CMYK picture becomes RGB', async () => {
  const [r, g, b] = (await means(await flat('#e01010').toColourspace('cmyk').jpeg({ quality: 100 }).toBuffer())).rgb;
  expect(r).toBeGreaterThan(180);
  expect(Math.max(g!, b!)).toBeLessThan(80);
});

test('a CMYK picture is refused where the release says so', async () => {
  const cmyk = await flat('#e01010').toColourspace('cmyk').jpeg().toBuffer();
  await expect(pictureToTensor(cmyk, { cmyk: 'refuse' })).rejects.toThrow(
    'it is CMYK, which this release refuses; send it as RGB',
  );
  expect((await means(await flat('#646464').jpeg().toBuffer(), { cmyk: 'refuse' })).rgb).toEqual([100, 100, 100]);
});

test('16 bits a channel become 8', async () => {
  expect((await means(await flat('#c86432').toColourspace('rgb16').png().toBuffer())).rgb).toEqual([200, 100, 50]);
});

test('transparency is dropped, not blended', async () => {
  const seeThrough = sharp({
    create: { width: 16, height: 16, channels: 4, background: { r: 200, g: 100, b: 50, alpha: 0.01 } },
  });
  expect((await means(await seeThrough.png().toBuffer())).rgb).toEqual([200, 100, 50]);
  expect((await means(await seeThrough.webp({ lossless: true, exact: true }).toBuffer())).rgb).toEqual([200, 100, 50]);
});

test.each<[string, (picture: Sharp) => Sharp, number[]]>([
  ['colour', (p) => p.png(), [100, 150, 25]],
  ['grey', (p) => p.linear([0, 0, 0, 1], [120, 120, 120, 0]).toColourspace('b-w').png(), [60, 160, 60]],
  ['16 bits a channel', (p) => p.toColourspace('rgb16').png(), [100, 150, 25]],
])('half transparent %s lies over the colour that the release names', async (_what, how, expected) => {
  const half = sharp({ create: { width: 16, height: 16, channels: 4, background: { r: 200, g: 100, b: 50, alpha: 0.5 } } });
  const { rgb } = await means(await how(half).toBuffer(), { alpha: { over: [0, 200, 0] } });
  rgb.forEach((level, channel) => expect(Math.abs(level - expected[channel]!), `channel ${channel}`).toBeLessThanOrEqual(1));
});

test('a crop is cut out of the picture as it is seen', async () => {
  const upsideDown = await sharp(await redAbove())
    .jpeg({ quality: 100 })
    .withMetadata({ orientation: 3 })
    .toBuffer();
  const lowerHalf = { crop: { left: 0, top: 0.5, width: 1, height: 0.5, unit: 'fraction' as const } };
  const cut = await prepared(upsideDown, [steps.decode(), lowerHalf, resize(), normalise()]);
  expect((cut.data as Float32Array)[20]).toBeGreaterThan(235);
  expect(cut.view).toMatchObject({ width: 32, height: 32, shiftY: -8, scaleY: 0.5 });
  const outside = { crop: { left: 30, top: 0, width: 3, height: 3, unit: 'pixels' as const } };
  await expect(prepared(upsideDown, [steps.decode(), outside, resize(), normalise()])).rejects.toThrow(
    'it is 32×32, the crop takes 3×3 from 30,0 on: it lies outside',
  );
});

test('the thinnest picture is still one', async () => {
  expect((await means(await flat('#c86432', 3000, 1).png().toBuffer())).rgb).toEqual([200, 100, 50]);
});
