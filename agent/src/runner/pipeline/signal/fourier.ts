/** Complex numbers in place, by their real and imaginary parts. */
type Transform = (re: Float64Array, im: Float64Array) => void;
/** Bins 0 … size / 2 of real samples; the result is overwritten by the next call. */
type RealTransform = (samples: Float64Array) => { re: Float64Array; im: Float64Array };

/** As numpy's rfft, in double precision: any size, fastest where half of it is a power of two. */
export function realTransform(size: number): RealTransform {
  return size % 2 === 0 ? ofPairs(size) : ofAll(size);
}

function ofAll(size: number): RealTransform {
  const transform = transformOf(size);
  const [re, im] = [new Float64Array(size), new Float64Array(size)];
  const bins = (size + 1) / 2;
  return (samples) => {
    re.set(samples);
    im.fill(0);
    transform(re, im);
    return { re: re.subarray(0, bins), im: im.subarray(0, bins) };
  };
}

/** Two samples are taken for one complex number: half the work. */
function ofPairs(size: number): RealTransform {
  const half = size / 2;
  const transform = transformOf(half);
  const [pairRe, pairIm] = [new Float64Array(half), new Float64Array(half)];
  const [re, im] = [new Float64Array(half + 1), new Float64Array(half + 1)];
  const { cos, sin } = circle(size, half + 1);
  return (samples) => {
    for (let i = 0; i < half; i++) {
      pairRe[i] = samples[2 * i]!;
      pairIm[i] = samples[2 * i + 1]!;
    }
    transform(pairRe, pairIm);
    for (let k = 0; k <= half; k++) {
      const [there, back] = [k % half, (half - k) % half];
      const [evenRe, evenIm] = [(pairRe[there]! + pairRe[back]!) / 2, (pairIm[there]! - pairIm[back]!) / 2];
      const [oddRe, oddIm] = [(pairIm[there]! + pairIm[back]!) / 2, (pairRe[back]! - pairRe[there]!) / 2];
      re[k] = evenRe + oddRe * cos[k]! + oddIm * sin[k]!;
      im[k] = evenIm + oddIm * cos[k]! - oddRe * sin[k]!;
    }
    return { re, im };
  };
}

const transformOf = (size: number): Transform => ((size & (size - 1)) === 0 ? ofPowerOfTwo(size) : ofAnySize(size));

/** cos and sin of 2π k / size. */
function circle(size: number, count: number) {
  const angle = (k: number) => (2 * Math.PI * k) / size;
  return {
    cos: Float64Array.from({ length: count }, (_, k) => Math.cos(angle(k))),
    sin: Float64Array.from({ length: count }, (_, k) => Math.sin(angle(k))),
  };
}

function ofPowerOfTwo(size: number): Transform {
  const { cos, sin } = circle(size, size / 2);
  const places = mirrored(size);
  return (re, im) => {
    for (let i = 0; i < size; i++) {
      const j = places[i]!;
      if (j <= i) continue;
      [re[i], re[j]] = [re[j]!, re[i]!];
      [im[i], im[j]] = [im[j]!, im[i]!];
    }
    for (let span = 1; span < size; span *= 2) butterflies(re, im, span, cos, sin);
  };
}

function butterflies(re: Float64Array, im: Float64Array, span: number, cos: Float64Array, sin: Float64Array): void {
  const stride = cos.length / span;
  for (let start = 0; start < re.length; start += 2 * span) {
    for (let k = 0, low = start, high = start + span; k < span; k++, low++, high++) {
      const [c, s] = [cos[k * stride]!, sin[k * stride]!];
      const x = re[high]! * c + im[high]! * s;
      const y = im[high]! * c - re[high]! * s;
      re[high] = re[low]! - x;
      im[high] = im[low]! - y;
      re[low]! += x;
      im[low]! += y;
    }
  }
}

/** Each place with its bits in the opposite order. */
function mirrored(size: number): Uint32Array {
  const places = new Uint32Array(size);
  for (let i = 1; i < size; i++) places[i] = places[i >> 1]! / 2 + (i & 1 ? size / 2 : 0);
  return places;
}

/** Bluestein: as a convolution, which powers of two can do. */
function ofAnySize(size: number): Transform {
  const room = 2 ** Math.ceil(Math.log2(2 * size - 1));
  const transform = ofPowerOfTwo(room);
  // Of k² only what is left of 2 · size: angles stay small, and exact.
  const chirp = (k: number) => (Math.PI * ((k * k) % (2 * size))) / size;
  const cos = Float64Array.from({ length: size }, (_, k) => Math.cos(chirp(k)));
  const sin = Float64Array.from({ length: size }, (_, k) => Math.sin(chirp(k)));
  const [kernelRe, kernelIm] = [new Float64Array(room), new Float64Array(room)];
  for (let k = 0; k < size; k++) {
    kernelRe[k] = kernelRe[(room - k) % room] = cos[k]!;
    kernelIm[k] = kernelIm[(room - k) % room] = sin[k]!;
  }
  transform(kernelRe, kernelIm);
  const [a, b] = [new Float64Array(room), new Float64Array(room)];
  return (re, im) => {
    a.fill(0);
    b.fill(0);
    for (let k = 0; k < size; k++) {
      a[k] = re[k]! * cos[k]! + im[k]! * sin[k]!;
      b[k] = im[k]! * cos[k]! - re[k]! * sin[k]!;
    }
    transform(a, b);
    // Real and imaginary part change places: the same transform goes back.
    for (let k = 0; k < room; k++) {
      const real = a[k]! * kernelRe[k]! - b[k]! * kernelIm[k]!;
      b[k] = a[k]! * kernelIm[k]! + b[k]! * kernelRe[k]!;
      a[k] = real;
    }
    transform(b, a);
    for (let k = 0; k < size; k++) {
      re[k] = (a[k]! * cos[k]! + b[k]! * sin[k]!) / room;
      im[k] = (b[k]! * cos[k]! - a[k]! * sin[k]!) / room;
    }
  };
}
