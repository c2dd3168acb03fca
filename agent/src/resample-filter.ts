/** Above it the filter alone would take megabytes. */
const mostPhases = 20_000;
/** Zero crossings of the filter on either side, and the shape of its taper: scipy's. */
const [crossings, beta] = [10, 5];

/** `taps` at `up` times the rate that comes; every `down`th sample of what it makes is given out. */
type ResampleFilter = { up: number; down: number; taps: Float64Array };

/** scipy.signal.resample_poly's own Kaiser filter. Throws for rates that share too little. */
export function resampleFilter(from: number, to: number): ResampleFilter {
  const shared = greatestShared(from, to);
  const [up, down] = [to / shared, from / shared];
  if (!Number.isInteger(up) || !Number.isInteger(down) || Math.max(up, down) > mostPhases)
    throw new Error(`${from} samples a second can't be made ${to}: the two share too little`);
  return { up, down, taps: lowPass(crossings * Math.max(up, down), Math.max(up, down), up) };
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
