/** In place, as scipy.signal.detrend: less its mean, or less the straight line that lies nearest. */
export function detrend(values: Float32Array, type: 'constant' | 'linear'): void {
  const middle = (values.length - 1) / 2;
  let [sum, moment, spread] = [0, 0, 0];
  for (let i = 0; i < values.length; i++) {
    sum += values[i]!;
    moment += values[i]! * (i - middle);
    spread += (i - middle) * (i - middle);
  }
  const mean = sum / values.length;
  const slope = type === 'linear' && spread > 0 ? moment / spread : 0;
  for (let i = 0; i < values.length; i++) values[i] = values[i]! - mean - slope * (i - middle);
}

/** In place, by what the window itself holds: mean 0 and variance 1, 0 to 1, or a peak of 1. `epsilon` keeps silence silent. */
export function standardise(values: Float32Array, to: 'unit-variance' | 'unit-range' | 'unit-peak', epsilon: number): void {
  const { offset, divisor } = measures[to](values, epsilon);
  for (let i = 0; i < values.length; i++) values[i] = (values[i]! - offset) / divisor;
}

type Measure = (values: Float32Array, epsilon: number) => { offset: number; divisor: number };
const measures: Record<'unit-variance' | 'unit-range' | 'unit-peak', Measure> = {
  'unit-variance': (values, epsilon) => {
    let [sum, squares] = [0, 0];
    for (const value of values) sum += value;
    const mean = sum / values.length;
    for (const value of values) squares += (value - mean) * (value - mean);
    return { offset: mean, divisor: Math.sqrt(squares / values.length + epsilon) };
  },
  'unit-range': (values, epsilon) => {
    let [least, most] = [Infinity, -Infinity];
    for (const value of values) {
      if (value < least) least = value;
      if (value > most) most = value;
    }
    return { offset: least, divisor: Math.max(most - least, epsilon) };
  },
  'unit-peak': (values, epsilon) => {
    let peak = 0;
    for (const value of values) peak = Math.max(peak, Math.abs(value));
    return { offset: 0, divisor: Math.max(peak, epsilon) };
  },
};
