import type { Spectrum } from '@flotilla/protocol/device';
import { realTransform } from './fourier.js';
import { toLogLevels } from './levels.js';
import { taperOf } from './taper.js';

/** Of one channel's samples, into bins 0 … samples / 2. */
export function spectrumOf(samples: number, { taper, values, scaling, log }: Omit<Spectrum, 'layout'>) {
  const weights = taperOf(taper, samples);
  const transform = realTransform(samples);
  const gain = scaling === 'amplitude' ? 1 / weights.reduce((sum, weight) => sum + weight, 0) : 1;
  const isPower = values === 'power';
  const tapered = new Float64Array(samples);
  return (signal: Float32Array, into: Float32Array): void => {
    for (let i = 0; i < samples; i++) tapered[i] = signal[i]! * weights[i]!;
    const { re, im } = transform(tapered);
    for (let bin = 0; bin < into.length; bin++) {
      // What lies at the negative frequency belongs to the wave's amplitude too; the first and, of even sizes, the last bin have none.
      const both = scaling === 'amplitude' && bin > 0 && 2 * bin !== samples ? 2 : 1;
      const power = (re[bin]! * re[bin]! + im[bin]! * im[bin]!) * (gain * both) ** 2;
      into[bin] = isPower ? power : Math.sqrt(power);
    }
    if (log) toLogLevels(into, log, isPower);
  };
}
