import type { Part, Rgb, Size } from '../stages.js';

type Filter = { support: number; at: (x: number) => number };
/** For each place of the result: its first source place, and the weights of that and those after it in units of 2⁻²². */
type Weights = { first: Int32Array; taps: Int32Array; most: number; count: Int32Array };

const precision = 22;
const half = 1 << (precision - 1);

const filters = {
  'pillow-bilinear': { support: 1, at: (x) => Math.max(0, 1 - Math.abs(x)) },
  // The cubic of a = −0.5.
  'pillow-bicubic': {
    support: 2,
    at: (signed) => {
      const x = Math.abs(signed);
      if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
      return x < 2 ? (((x - 5) * x + 8) * x - 4) * -0.5 : 0;
    },
  },
} as const satisfies Record<string, Filter>;

/** Part of a picture scaled as Pillow's Image.resize does it, to the level: rows first, rounded to 8 bits, then columns (decisions/0016). */
export function resampledAsPillow(picture: Rgb, to: Size, part: Part, reference: keyof typeof filters): Uint8Array {
  const filter = filters[reference];
  const across = weightsOf(picture.width, to.width, part.left, part.width, filter);
  const down = weightsOf(picture.height, to.height, part.top, part.height, filter);
  const from = Math.min(...down.first);
  const until = down.first.reduce((most, first, i) => Math.max(most, first + down.count[i]!), 0);
  const rows = new Uint8ClampedArray((until - from) * part.width * 3);
  for (let y = from; y < until; y++) shrinkRow(picture.data, y * picture.width * 3, across, rows, (y - from) * part.width * 3);
  return columns(rows, from, part, down);
}

function shrinkRow(data: Uint8Array, start: number, weights: Weights, rows: Uint8ClampedArray, at: number): void {
  const { first, taps, most, count } = weights;
  for (let x = 0; x < first.length; x++) {
    let [red, green, blue] = [half, half, half];
    let from = start + first[x]! * 3;
    for (let tap = x * most, end = tap + count[x]!; tap < end; tap++, from += 3) {
      const weight = taps[tap]!;
      red = (red + data[from]! * weight) | 0;
      green = (green + data[from + 1]! * weight) | 0;
      blue = (blue + data[from + 2]! * weight) | 0;
    }
    rows[at + x * 3] = red >> precision;
    rows[at + x * 3 + 1] = green >> precision;
    rows[at + x * 3 + 2] = blue >> precision;
  }
}

function columns(rows: Uint8ClampedArray, from: number, { width, height }: Size, weights: Weights): Uint8Array {
  const { first, taps, most, count } = weights;
  const result = new Uint8ClampedArray(width * height * 3);
  const sums = new Int32Array(width * 3);
  for (let y = 0; y < height; y++) {
    sums.fill(half);
    for (let i = 0; i < count[y]!; i++) {
      const weight = taps[y * most + i]!;
      const row = (first[y]! + i - from) * sums.length;
      for (let x = 0; x < sums.length; x++) sums[x] = sums[x]! + rows[row + x]! * weight;
    }
    for (let x = 0; x < sums.length; x++) result[y * sums.length + x] = sums[x]! >> precision;
  }
  return new Uint8Array(result.buffer);
}

function weightsOf(from: number, to: number, start: number, places: number, { support, at }: Filter): Weights {
  const scale = from / to;
  const spread = Math.max(1, scale);
  const reach = support * spread;
  const most = Math.ceil(reach) * 2 + 1;
  const [first, count, taps] = [new Int32Array(places), new Int32Array(places), new Int32Array(places * most)];
  for (let place = 0; place < places; place++) {
    const centre = (start + place + 0.5) * scale;
    const low = Math.max(0, Math.trunc(centre - reach + 0.5));
    const high = Math.min(from, Math.trunc(centre + reach + 0.5));
    const shares = Array.from({ length: high - low }, (_, i) => at((i + low - centre + 0.5) * (1 / spread)));
    const whole = shares.reduce((a, b) => a + b, 0);
    first[place] = low;
    count[place] = high - low;
    shares.forEach((share, i) => {
      const exact = (share / whole) * (1 << precision);
      taps[place * most + i] = Math.trunc(exact < 0 ? exact - 0.5 : exact + 0.5);
    });
  }
  return { first, taps, most, count };
}
