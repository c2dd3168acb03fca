import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { JpegSplitter } from './jpeg-splitter.js';

const marker = (code: number) => Buffer.of(0xff, code);
const segment = (code: number, body: Uint8Array) => {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(body.byteLength + 2);
  return Buffer.concat([marker(code), length, body]);
};
/** Built as the format says (ITU T.81, annex B): a thumbnail with its own markers, two scans, restarts, stuffed and filling bytes. */
function aJpeg(seed: number): Buffer {
  const thumbnail = Buffer.concat([marker(0xd8), marker(0xda), marker(0xd9)]);
  const scan = Buffer.of(seed, 0xff, 0x00, 1, 2, 0xff, 0xd0, 3, 0xff, 0x00);
  const head = Buffer.concat([marker(0xd8), segment(0xe1, thumbnail), segment(0xc2, Buffer.of(8, 0, 1, 0, 1)), Buffer.of(0xff)]);
  const tables = segment(0xc4, Buffer.of(0xff, 0xd9));
  return Buffer.concat([head, segment(0xda, Buffer.of(1)), scan, tables, segment(0xda, Buffer.of(2)), scan, marker(0xd9)]);
}

function split(stream: Buffer, chunkSizes: readonly number[], splitter = new JpegSplitter()): Buffer[] {
  const found: Buffer[] = [];
  for (let [at, turn] = [0, 0]; at < stream.byteLength; turn++) {
    const size = chunkSizes[turn % chunkSizes.length]!;
    for (const { jpeg } of splitter.push(stream.subarray(at, at + size))) found.push(jpeg);
    at += size;
  }
  return found;
}

describe('JPEGs in a stream', () => {
  test('come out whole, however the stream was cut and whatever lies between them', () => {
    const between = fc
      .uint8Array({ maxLength: 40 })
      .map((bytes) => Buffer.from(bytes.map((byte) => (byte === 0xff ? 0xfe : byte))));
    fc.assert(
      fc.property(
        fc.array(between, { minLength: 1, maxLength: 5 }),
        fc.array(fc.integer({ min: 1, max: 97 }), { minLength: 1 }),
        (fillings, sizes) => {
          const pictures = fillings.map((_, n) => aJpeg(n));
          const stream = Buffer.concat(fillings.flatMap((filling, n) => [filling, pictures[n]!]));
          expect(split(stream, sizes)).toEqual(pictures);
        },
      ),
    );
  });

  test('one that was cut off is left out, and the next one is found', () => {
    const splitter = new JpegSplitter();
    const whole = aJpeg(7);
    expect(split(Buffer.concat([whole.subarray(0, -6), whole]), [11], splitter)).toEqual([whole]);
    expect(splitter.broken).toBe(1);
  });

  test('anything at all ends in pictures or in nothing', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (noise) => {
        const markers = Buffer.from(noise.map((byte) => (byte % 3 === 0 ? 0xff : byte % 7 === 0 ? 0xd8 : byte)));
        for (const jpeg of split(markers, [13]))
          expect([...jpeg.subarray(0, 2), ...jpeg.subarray(-2)]).toEqual([0xff, 0xd8, 0xff, 0xd9]);
      }),
    );
  });

  test('one that never ends is given up, and the memory with it', () => {
    const splitter = new JpegSplitter(1000);
    const endless = Buffer.concat([aJpeg(1).subarray(0, -2), Buffer.alloc(5000)]);
    expect(split(Buffer.concat([endless, aJpeg(2)]), [100], splitter)).toEqual([aJpeg(2)]);
  });
});
