import { crc32, deflateSync } from 'node:zlib';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { prepared, steps } from '../fixtures/prepared.js';
import { picture } from '../fixtures/vectors.js';

const decodedAs = async (encoded: Uint8Array, how: Parameters<typeof steps.decode>[0] = {}) => {
  const { data, view } = await prepared(encoded, [steps.decode(how), steps.resize({ fit: 'stretch' }), steps.normalise()]);
  const at = (data as Float32Array).length / 3;
  return { rgb: [0, at, 2 * at].map((i) => (data as Float32Array)[i]!), width: view!.width, height: view!.height };
};
const flat = (colour: string, width = 32, height = 16) => sharp({ create: { width, height, channels: 3, background: colour } });
const portrait = picture('portrait.jpg');
const small = picture('small.png');
function chunkOf(type: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(type), data]);
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  sum.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, sum]);
}
/** A PNG of red, green and blue, written by hand. */
function pngOf(width: number, height: number, bits: 8 | 16, rows: Uint8Array): Uint8Array {
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width);
  head.writeUInt32BE(height, 4);
  head.set([bits, 2], 8);
  const chunks = [chunkOf('IHDR', head), chunkOf('IDAT', deflateSync(rows)), chunkOf('IEND', new Uint8Array())];
  return Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), ...chunks]);
}

describe('what is wrong with a picture is said in a sentence:', () => {
  test.each<[string, Uint8Array | Promise<Uint8Array>, RegExp]>([
    ['an empty file', Buffer.alloc(0), /^it is empty$/],
    ['no picture', Buffer.from('not a picture'), /^it is no picture that can be read; send it as JPEG, PNG or WebP$/],
    ['a JPEG cut off in its pixels', portrait.subarray(0, 8000), /^it is cut off or broken \(.*premature end of JPEG image\)$/],
    ['a JPEG cut off in its head', portrait.subarray(0, 100), /^it is cut off or broken \([^\n]*\)$/],
    ['a PNG cut off', small.subarray(0, small.length >> 1), /^it is cut off or broken \([^\n]*\)$/],
    [
      'a WebP cut off',
      flat('red', 300, 300)
        .webp()
        .toBuffer()
        .then((webp) => webp.subarray(0, 40)),
      /^it is cut off or broken/,
    ],
    [
      'a JPEG of 108 megapixels',
      flat('red', 12_000, 9000).jpeg().toBuffer(),
      /^it has 12000×9000 pixels, more than the 64 megapixels/,
    ],
    [
      'a PNG of 108 megapixels',
      pngOf(12_000, 9000, 8, new Uint8Array()),
      /^it has 12000×9000 pixels, more than the 64 megapixels/,
    ],
    [
      'a drawing',
      Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>'),
      /^it is SVG, which is not read; send it as JPEG, PNG or WebP$/,
    ],
  ])('%s', async (_what, encoded, message) => {
    await expect(decodedAs(await encoded)).rejects.toThrow(message);
  });
});

test('a picture that is too large is refused by its head, before its pixels take any memory', async () => {
  const encoded = await flat('red', 12_000, 9000).jpeg().toBuffer();
  const before = process.memoryUsage.rss();
  await expect(decodedAs(encoded)).rejects.toThrow(/more than the 64 megapixels/);
  // Its pixels would be 324 MB.
  expect(process.memoryUsage.rss() - before).toBeLessThan(60e6);
});

test('a picture just within the limit is decoded', async () => {
  expect(await decodedAs(await flat('#c86432', 8192, 8192).jpeg({ quality: 100 }).toBuffer())).toMatchObject({ width: 8192 });
});

test('its content decides what a picture is, not its name nor the type that it is sent with', async () => {
  expect((await decodedAs(await flat('#c86432').png().toBuffer())).rgb).toEqual([200, 100, 50]);
});

test('of an animation the first picture is taken', async () => {
  const colours = await Promise.all(['red', 'lime', 'blue'].map((colour) => flat(colour).png().toBuffer()));
  const animated = sharp(colours, { join: { animated: true } });
  const webp = await animated.webp({ lossless: true }).toBuffer();
  expect((await sharp(webp).metadata()).pages).toBe(3);
  expect(await decodedAs(webp)).toEqual({ rgb: [255, 0, 0], width: 32, height: 16 });
});

test('a colour profile is passed over, or followed where the release says so', async () => {
  const displayP3 = await flat('#c86432').withIccProfile('p3').png().toBuffer();
  const [written] = [(await sharp(displayP3, { ignoreIcc: true }).raw().toBuffer())[0]!];
  expect(written).not.toBe(200);
  expect((await decodedAs(displayP3)).rgb[0]).toBe(written);
  const followed = (await decodedAs(displayP3, { icc: 'apply' })).rgb;
  followed.forEach((level, i) => expect(Math.abs(level - [200, 100, 50][i]!)).toBeLessThanOrEqual(2));
});

test('16 bits a channel are cut to the upper 8', async () => {
  const row = Buffer.from([0, ...Array.from({ length: 8 }, () => [0x80, 0xff, 0x12, 0x01, 0xfe, 0xff]).flat()]);
  const png = pngOf(8, 8, 16, Buffer.concat(Array.from({ length: 8 }, () => row)));
  expect((await sharp(png).metadata()).depth).toBe('ushort');
  expect((await decodedAs(png)).rgb).toEqual([0x80, 0x12, 0xfe]);
});

test.each([1, 3, 6, 8])('a JPEG turned by EXIF (%d) has the size that is seen', async (orientation) => {
  const turned = await flat('#c86432', 32, 16).jpeg({ quality: 100 }).withMetadata({ orientation }).toBuffer();
  const [width, height] = orientation >= 5 ? [16, 32] : [32, 16];
  expect(await decodedAs(turned)).toMatchObject({ width, height });
  expect(await decodedAs(turned, { exif: 'ignore' })).toMatchObject({ width: 32, height: 16 });
});
