import { resampledArea } from './opencv-area.js';
import { type Axis, areaAxis, linearAxis } from './opencv-axes.js';
import type { Part, Rgb, Size } from '../stages.js';

/** Part of a picture scaled as cv2.resize does it, red, green and blue: to ±1 of 255 for linear and area, exactly for nearest. */
export function resampled(
  picture: Rgb,
  to: Size,
  part: Part,
  reference: 'opencv-linear' | 'opencv-area' | 'nearest',
): Uint8Array {
  if (reference === 'nearest') return nearest(picture, to, part);
  const shrinks = picture.width >= to.width && picture.height >= to.height;
  if (reference === 'opencv-area' && shrinks) return resampledArea(picture, to, part);
  // INTER_AREA that enlarges is linear, with weights of its own.
  const axis = reference === 'opencv-area' ? areaAxis : linearAxis;
  return linear(picture, part, axis(picture.width, to.width), axis(picture.height, to.height));
}

/** INTER_NEAREST (and torch's `nearest`): the pixel at floor(place × scale). */
function nearest({ data, width, height }: Rgb, to: Size, part: Part): Uint8Array {
  const result = new Uint8Array(part.width * part.height * 3);
  const columns = Int32Array.from({ length: part.width }, (_, x) => nearestOf(x + part.left, width, to.width) * 3);
  for (let y = 0, at = 0; y < part.height; y++) {
    const row = nearestOf(y + part.top, height, to.height) * width * 3;
    for (let x = 0; x < part.width; x++, at += 3) {
      const from = row + columns[x]!;
      result[at] = data[from]!;
      result[at + 1] = data[from + 1]!;
      result[at + 2] = data[from + 2]!;
    }
  }
  return result;
}
const nearestOf = (place: number, from: number, to: number) => Math.min(from - 1, Math.floor(place * (1 / (to / from))));

/** OpenCV's fixed point: weights in units of 1/2048, a row's sums with 4 bits cut off before the second product. */
function linear({ data, width }: Rgb, part: Part, across: Axis, down: Axis): Uint8Array {
  const result = new Uint8Array(part.width * part.height * 3);
  const rows = [new Int32Array(part.width * 3), new Int32Array(part.width * 3)] as const;
  const held: [number, number] = [-1, -1];
  for (let y = 0, at = 0; y < part.height; y++) {
    const top = down.first[y + part.top]!;
    // The lower row of the last line is often the upper one of this: rows lie in the slot of their own parity.
    const [above, below] = [top, Math.min(top + 1, down.last)].map((row) => {
      const slot = (row & 1) as 0 | 1;
      if (held[slot] !== row) across1(data, row * width * 3, part, across, rows[slot]);
      held[slot] = row;
      return rows[slot];
    }) as [Int32Array, Int32Array];
    const [upper, lower] = [2048 - down.weight[y + part.top]!, down.weight[y + part.top]!];
    for (let i = 0; i < above.length; i++, at++)
      result[at] = (((upper * (above[i]! >> 4)) >> 16) + ((lower * (below[i]! >> 4)) >> 16) + 2) >> 2;
  }
  return result;
}

function across1(data: Uint8Array, row: number, { left, width }: Part, axis: Axis, sums: Int32Array): void {
  for (let x = 0, at = 0; x < width; x++, at += 3) {
    const first = axis.first[x + left]!;
    const [weight, from, next] = [axis.weight[x + left]!, row + first * 3, row + Math.min(first + 1, axis.last) * 3];
    for (let c = 0; c < 3; c++) sums[at + c] = data[from + c]! * (2048 - weight) + data[next + c]! * weight;
  }
}
