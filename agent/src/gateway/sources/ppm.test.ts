import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PpmCutter, type PixelPicture, ppmHeader } from './ppm.js';

const picture = fc
  .record({
    width: fc.integer({ min: 1, max: 30 }),
    height: fc.integer({ min: 1, max: 30 }),
    channels: fc.constantFrom(1 as const, 3 as const),
  })
  .chain((size) =>
    fc
      .uint8Array({ minLength: size.width * size.height * size.channels, maxLength: size.width * size.height * size.channels })
      .map((pixels) => ({
        ...size,
        pixels: Buffer.from(pixels),
      })),
  );

function cut(stream: Buffer, sizes: readonly number[]): PixelPicture[] {
  const cutter = new PpmCutter();
  const found: PixelPicture[] = [];
  for (let [at, turn] = [0, 0]; at < stream.byteLength; turn++) {
    const size = sizes[turn % sizes.length]!;
    for (const { began: _, ...whole } of cutter.push(stream.subarray(at, at + size))) found.push(whole);
    at += size;
  }
  return found;
}

test('pictures of any size come out as they were written, however the stream was cut; a last half one does not', () => {
  fc.assert(
    fc.property(
      fc.array(picture, { minLength: 1, maxLength: 5 }),
      fc.array(fc.integer({ min: 1, max: 500 }), { minLength: 1 }),
      (pictures, sizes) => {
        const stream = Buffer.concat(pictures.flatMap((one) => [ppmHeader(one), one.pixels]));
        expect(cut(stream, sizes)).toEqual(pictures);
        expect(cut(stream.subarray(0, -1), sizes)).toEqual(pictures.slice(0, -1));
      },
    ),
  );
});

test('what is no PPM is said', () => {
  expect(() => cut(Buffer.from('<html>this is no picture</html>'), [5])).toThrow(/no picture/);
});
