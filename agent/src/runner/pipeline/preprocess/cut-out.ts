import type { Rgb } from '../stages.js';

/** A part of a picture, with its pixels to itself. */
export function cutOut(picture: Rgb, { left, top, width, height }: Record<'left' | 'top' | 'width' | 'height', number>): Rgb {
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    const from = ((top + y) * picture.width + left) * 3;
    data.set(picture.data.subarray(from, from + width * 3), y * width * 3);
  }
  return { data, width, height };
}
