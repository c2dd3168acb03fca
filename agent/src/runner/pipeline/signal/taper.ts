type Taper = 'hann' | 'hamming' | 'none';

/** As scipy's get_window: the periodic form, as it is used before a Fourier transform. */
export function taperOf(kind: Taper, length: number): Float64Array {
  const weights = new Float64Array(length).fill(1);
  if (kind === 'none') return weights;
  const [mean, swing] = kind === 'hann' ? [0.5, 0.5] : [0.54, 0.46];
  return weights.map((_, i) => mean - swing * Math.cos((2 * Math.PI * i) / length));
}
