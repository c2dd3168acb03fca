import type { Part, Rgb, Size } from '../stages.js';
import { columnSums } from './column-sums.js';

/** What falls into each place of the result: its first source place, and the weights of that and those after it. */
type Cells = { first: Int32Array; count: Int32Array; weights: Float32Array; most: number };

/** INTER_AREA where it shrinks: the mean of what each pixel covers, parts of pixels by their part. */
export function resampledArea(picture: Rgb, to: Size, part: Part): Uint8Array {
  const [across, down] = [picture.width / to.width, picture.height / to.height];
  return Number.isInteger(across) && Number.isInteger(down)
    ? wholeCells(picture, part, across, down)
    : partedCells(picture, to, part);
}

/** Each pixel covers the same whole ones: sums of integers, columns first. */
function wholeCells({ data, width }: Rgb, part: Part, across: number, down: number): Uint8Array {
  const result = new Uint8Array(part.width * part.height * 3);
  const sums = new Int32Array(part.width * across * 3);
  const share = 1 / (across * down);
  for (let y = 0, at = 0; y < part.height; y++) {
    columnSums(data, ((part.top + y) * down * width + part.left * across) * 3, width * 3, down, sums);
    for (let x = 0, from = 0; x < part.width; x++) {
      let [red, green, blue] = [0, 0, 0];
      for (const end = from + across * 3; from < end; from += 3) {
        red += sums[from]!;
        green += sums[from + 1]!;
        blue += sums[from + 2]!;
      }
      result[at++] = red * share + 0.5;
      result[at++] = green * share + 0.5;
      result[at++] = blue * share + 0.5;
    }
  }
  return result;
}

function partedCells({ data, width, height }: Rgb, to: Size, part: Part): Uint8Array {
  const result = new Uint8Array(part.width * part.height * 3);
  const across = cells(width, to.width, part.left, part.width);
  const down = cells(height, to.height, part.top, part.height);
  const left = across.first[0]!;
  const sums = new Float32Array((across.first.at(-1)! + across.count.at(-1)! - left) * 3);
  for (let y = 0; y < part.height; y++) {
    const start = (down.first[y]! * width + left) * 3;
    weighedRows(data, start, width * 3, down.weights.subarray(y * down.most, y * down.most + down.count[y]!), sums);
    shrunkRow(sums, left, across, result, y * part.width * 3);
  }
  return result;
}

/** Columns first: each byte of the picture is read about once, in the order in which it lies; four rows at a time. */
function weighedRows(data: Uint8Array, start: number, stride: number, weights: Float32Array, sums: Float32Array): void {
  sums.fill(0);
  const rowAt = (row: number) => start + Math.min(row, weights.length - 1) * stride;
  for (let row = 0; row < weights.length; row += 4) {
    const [a, b, c, d] = [rowAt(row), rowAt(row + 1), rowAt(row + 2), rowAt(row + 3)];
    const [p, q, r, s] = [weights[row]!, weights[row + 1] ?? 0, weights[row + 2] ?? 0, weights[row + 3] ?? 0];
    for (let i = 0; i < sums.length; i++)
      sums[i] = sums[i]! + data[a + i]! * p + data[b + i]! * q + data[c + i]! * r + data[d + i]! * s;
  }
}

function shrunkRow(
  sums: Float32Array,
  left: number,
  { first, count, weights, most }: Cells,
  result: Uint8Array,
  at: number,
): void {
  for (let x = 0, to = at; x < first.length; x++) {
    let [red, green, blue] = [0.5, 0.5, 0.5];
    let from = (first[x]! - left) * 3;
    for (let tap = x * most, end = tap + count[x]!; tap < end; tap++, from += 3) {
      const weight = weights[tap]!;
      red += sums[from]! * weight;
      green += sums[from + 1]! * weight;
      blue += sums[from + 2]! * weight;
    }
    result[to++] = red;
    result[to++] = green;
    result[to++] = blue;
  }
}

function cells(from: number, to: number, start: number, places: number): Cells {
  const scale = from / to;
  const most = Math.ceil(scale) + 1;
  const [first, count, weights] = [new Int32Array(places), new Int32Array(places), new Float32Array(places * most)];
  for (let i = 0; i < places; i++) {
    const [begin, end] = [(start + i) * scale, Math.min((start + i + 1) * scale, from)];
    // OpenCV passes over less than a thousandth of a pixel.
    const low = begin - Math.floor(begin) > 1 - 1e-3 ? Math.ceil(begin) : Math.floor(begin);
    const high = end - Math.floor(end) < 1e-3 ? Math.floor(end) : Math.ceil(end);
    first[i] = low;
    count[i] = high - low;
    const covered = (place: number) => Math.min(place + 1, end) - Math.max(place, begin);
    let whole = 0;
    for (let place = low; place < high; place++) whole += covered(place);
    for (let place = low; place < high; place++) weights[i * most + place - low] = covered(place) / whole;
  }
  return { first, count, weights, most };
}
