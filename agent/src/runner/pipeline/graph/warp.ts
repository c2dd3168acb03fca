import type { CutNode } from '@flotilla/protocol/device';
import type { Rgb, Size } from '../stages.js';
import { type Transform, applied } from './transform.js';

type Reference = NonNullable<CutNode['reference']>;

/** Places between pixels come in steps of 1/32, as cv2.remap's tables have them. */
const steps = 32;

/** Weights for the pixels from `first` on, by the place after the point, in 1/32. */
type Kernel = { first: number; weights: readonly Float64Array[] };
const kernelOf = (first: number, weightsAt: (share: number) => number[]): Kernel => ({
  first,
  weights: Array.from({ length: steps }, (_, step) => Float64Array.from(weightsAt(step / steps))),
});
/** Keys' cubic with OpenCV's −0.75. */
const near = (t: number) => (1.25 * t - 2.25) * t * t + 1;
const far = (t: number) => ((-0.75 * t + 3.75) * t - 6) * t + 3;
const kernels: Record<Reference, Kernel> = {
  'opencv-linear': kernelOf(0, (share) => [1 - share, share]),
  'opencv-cubic': kernelOf(-1, (share) => [far(1 + share), near(share), near(1 - share), far(2 - share)]),
};

/** As cv2.warpPerspective with BORDER_REPLICATE; `onto` says where in the source each pixel of the result lies. */
export function warped(source: Rgb, size: Size, onto: Transform, reference: Reference): Uint8Array {
  const kernel = kernels[reference];
  const result = new Uint8Array(size.width * size.height * 3);
  const sums = new Float64Array(3);
  for (let y = 0, at = 0; y < size.height; y++)
    for (let x = 0; x < size.width; x++, at += 3) {
      const [exactX, exactY] = applied(onto, [x, y]);
      sample(source, Math.round(exactX * steps), Math.round(exactY * steps), kernel, sums);
      // Clamped: a cubic overshoots at edges.
      for (let c = 0; c < 3; c++) result[at + c] = Math.min(255, Math.max(0, Math.round(sums[c]!)));
    }
  return result;
}

function sample({ data, width, height }: Rgb, x: number, y: number, { first, weights }: Kernel, sums: Float64Array): void {
  const [across, down] = [weights[x & (steps - 1)]!, weights[y & (steps - 1)]!];
  const [left, top] = [(x >> 5) + first, (y >> 5) + first];
  sums.fill(0);
  for (let row = 0; row < down.length; row++) {
    const line = clamped(top + row, height) * width;
    for (let column = 0; column < across.length; column++) {
      const weight = down[row]! * across[column]!;
      const from = (line + clamped(left + column, width)) * 3;
      for (let c = 0; c < 3; c++) sums[c]! += weight * data[from + c]!;
    }
  }
}

const clamped = (at: number, length: number) => (at < 0 ? 0 : at >= length ? length - 1 : at);
