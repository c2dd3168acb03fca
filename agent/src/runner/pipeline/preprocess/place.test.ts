import { describe, expect, test } from 'vitest';
import { placeOf } from './place.js';

describe('the place', () => {
  const square = { width: 224, height: 224, fit: 'centre-crop', cropFraction: 0.875, reference: 'pillow-bilinear' } as const;
  test.each([
    [
      { width: 640, height: 480 },
      { width: 341, height: 256, left: 58, top: 16 },
    ],
    [
      { width: 480, height: 640 },
      { width: 256, height: 341, left: 16, top: 58 },
    ],
    [
      { width: 100, height: 100 },
      { width: 256, height: 256, left: 16, top: 16 },
    ],
    // 1001 × 256 / 512 = 500.5: half goes up.
    [
      { width: 1001, height: 512 },
      { width: 501, height: 256, left: 138, top: 16 },
    ],
  ])('of %o keeps the middle', (picture, expected) => expect(placeOf(picture, square)).toEqual(expected));

  test('fills a wide target from a tall picture', () => {
    expect(placeOf({ width: 100, height: 400 }, { ...square, width: 200, height: 100, cropFraction: 1 })).toEqual({
      width: 200,
      height: 800,
      left: 0,
      top: 350,
    });
  });

  test('to stretch takes all of the picture', () => {
    expect(placeOf({ width: 7, height: 900 }, { ...square, fit: 'stretch' })).toEqual({
      width: 224,
      height: 224,
      left: 0,
      top: 0,
    });
  });

  test('in a letterbox leaves margins, the odd pixel below and to the right', () => {
    const box = { ...square, fit: 'letterbox', cropFraction: 1, width: 100, height: 100, pad: 0 } as const;
    expect(placeOf({ width: 200, height: 101 }, box)).toEqual({ width: 100, height: 51, left: -0, top: -24 });
    expect(placeOf({ width: 101, height: 200 }, box)).toEqual({ width: 51, height: 100, left: -24, top: -0 });
    expect(placeOf({ width: 101, height: 200 }, { ...box, place: 'top-left' })).toMatchObject({ left: 0, top: 0 });
    expect(placeOf({ width: 9000, height: 1 }, box)).toMatchObject({ width: 100, height: 1 });
  });
});
