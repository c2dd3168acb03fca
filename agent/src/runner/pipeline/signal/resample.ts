/** Above it the filter alone would take megabytes. */
const mostPhases = 20_000;
/** Zero crossings of the filter on either side, and the shape of its taper: scipy's. */
const [crossings, beta] = [10, 5];

export type Resampler = (channel: Float32Array) => Float32Array<ArrayBuffer>;

/** As scipy.signal.resample_poly with its own Kaiser filter, the whole signal at once; outside of it lies silence. Throws for rates that share too little. */
export function resampler(from: number, to: number): Resampler {
  if (from === to) return (channel) => Float32Array.from(channel);
  const shared = greatestShared(from, to);
  const [up, down] = [to / shared, from / shared];
  if (!Number.isInteger(up) || !Number.isInteger(down) || Math.max(up, down) > mostPhases)
    throw new Error(`${from} samples a second can't be made ${to}: the two share too little`);
  const half = crossings * Math.max(up, down);
  const filter = lowPass(half, Math.max(up, down), up);
  return (channel) => convolved(channel, filter, up, down);
}

function convolved(channel: Float32Array, filter: Float64Array, up: number, down: number): Float32Array<ArrayBuffer> {
  const half = (filter.length - 1) / 2;
  const result = new Float32Array(Math.ceil((channel.length * up) / down));
  for (let at = 0; at < result.length; at++) {
    const centre = at * down + half;
    const first = Math.max(0, Math.ceil((centre - filter.length + 1) / up));
    const last = Math.min(channel.length - 1, Math.floor(centre / up));
    let sum = 0;
    for (let i = first, tap = centre - first * up; i <= last; i++, tap -= up) sum += channel[i]! * filter[tap]!;
    result[at] = sum;
  }
  return result;
}

function lowPass(half: number, rate: number, gain: number): Float64Array {
  const filter = Float64Array.from({ length: 2 * half + 1 }, (_, i) => {
    const x = (i - half) / rate;
    const edge = (i - half) / half;
    return (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x)) * bessel(beta * Math.sqrt(1 - edge * edge));
  });
  const whole = filter.reduce((sum, tap) => sum + tap, 0);
  return filter.map((tap) => (tap * gain) / whole);
}

/** I₀, the modified Bessel function of the first kind. */
function bessel(x: number): number {
  let [sum, term] = [1, 1];
  for (let k = 1; term > sum * 1e-17; k++) sum += term *= (x / (2 * k)) ** 2;
  return sum;
}

function greatestShared(a: number, b: number): number {
  return b === 0 ? a : greatestShared(b, a % b);
}
