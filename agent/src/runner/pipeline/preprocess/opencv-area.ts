import type { Source } from './opencv.js';

type Size = { width: number; height: number };
type Window = Size & { left: number; top: number };
/** What falls into each place of the result: its first source place, and the weights of that and those after it. */
type Cells = { first: Int32Array; weights: readonly Float32Array[] };

/** INTER_AREA where it shrinks: the mean of what each pixel covers, parts of pixels by their part. */
export function resampledArea({ data, width, height }: Source, to: Size, part: Window): Uint8Array {
  const result = new Uint8Array(part.width * part.height * 3);
  const across = cells(width, to.width, part.left, part.width);
  const down = cells(height, to.height, part.top, part.height);
  const row = new Float32Array(part.width * 3);
  const sum = new Float32Array(part.width * 3);
  for (let y = 0; y < part.height; y++) {
    sum.fill(0);
    const weights = down.weights[y]!;
    for (let i = 0; i < weights.length; i++) {
      shrunkRow(data, (down.first[y]! + i) * width * 3, across, row);
      const weight = weights[i]!;
      for (let at = 0; at < sum.length; at++) sum[at]! += row[at]! * weight;
    }
    const start = y * sum.length;
    for (let at = 0; at < sum.length; at++) result[start + at] = sum[at]! + 0.5;
  }
  return result;
}

function shrunkRow(data: Uint8Array, start: number, { first, weights }: Cells, row: Float32Array): void {
  for (let x = 0; x < first.length; x++) {
    let [red, green, blue] = [0, 0, 0];
    let from = start + first[x]! * 3;
    for (const weight of weights[x]!) {
      red += data[from]! * weight;
      green += data[from + 1]! * weight;
      blue += data[from + 2]! * weight;
      from += 3;
    }
    row[x * 3] = red;
    row[x * 3 + 1] = green;
    row[x * 3 + 2] = blue;
  }
}

function cells(from: number, to: number, start: number, count: number): Cells {
  const scale = from / to;
  const first = new Int32Array(count);
  const weights = Array.from({ length: count }, (_, i) => {
    const [begin, end] = [(start + i) * scale, Math.min((start + i + 1) * scale, from)];
    // OpenCV passes over less than a thousandth of a pixel.
    const low = begin - Math.floor(begin) > 1 - 1e-3 ? Math.ceil(begin) : Math.floor(begin);
    const high = end - Math.floor(end) < 1e-3 ? Math.floor(end) : Math.ceil(end);
    first[i] = low;
    const covered = Float32Array.from({ length: high - low }, (__, n) => Math.min(low + n + 1, end) - Math.max(low + n, begin));
    const whole = covered.reduce((a, b) => a + b, 0);
    return covered.map((share) => share / whole);
  });
  return { first, weights };
}
