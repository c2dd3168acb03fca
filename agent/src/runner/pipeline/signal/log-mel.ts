import { type LogMel, melFrames } from '@flotilla/protocol/device';
import { realTransform } from './fourier.js';
import { toLogLevels } from './levels.js';
import { melFilters } from './mel.js';
import { taperOf } from './taper.js';

/** Of one channel's samples, into [mels, frames]: as librosa.feature.melspectrogram, and its power_to_db or another logarithm. */
export function logMelOf(samples: number, rate: number, options: Omit<LogMel, 'layout'>) {
  const { fftSize, hop, mels, fmin, fmax = rate / 2, formula, norm, power, log } = options;
  const frames = melFrames(samples, options);
  const filters = melFilters({ mels, fftSize, rate, fmin, fmax, formula, norm });
  const transform = realTransform(fftSize);
  const weights = centredTaper(options);
  const padded = new Float64Array((frames - 1) * hop + fftSize);
  const [frame, levels] = [new Float64Array(fftSize), new Float64Array(Math.floor(fftSize / 2) + 1)];
  return (signal: Float32Array, into: Float32Array): void => {
    pad(signal, options, padded);
    for (let at = 0; at < frames; at++) {
      for (let i = 0; i < fftSize; i++) frame[i] = padded[at * hop + i]! * weights[i]!;
      const { re, im } = transform(frame);
      for (let bin = 0; bin < levels.length; bin++) {
        const squared = re[bin]! * re[bin]! + im[bin]! * im[bin]!;
        levels[bin] = power === 2 ? squared : Math.sqrt(squared);
      }
      for (let mel = 0; mel < mels; mel++) into[mel * frames + at] = weighed(levels, filters[mel]!);
    }
    if (log) toLogLevels(into, log, power === 2);
  };
}

/** A taper shorter than the transform lies in its middle. */
function centredTaper({ fftSize, taperLength = fftSize, taper }: Omit<LogMel, 'layout'>): Float64Array {
  const weights = new Float64Array(fftSize);
  weights.set(taperOf(taper, taperLength), Math.floor((fftSize - taperLength) / 2));
  return weights;
}

/** Half a transform on either side, silent or mirrored, so that the first spectrum's middle is the first sample. */
function pad(signal: Float32Array, { fftSize, centre }: Pick<LogMel, 'fftSize' | 'centre'>, padded: Float64Array): void {
  const before = centre === 'none' ? 0 : Math.floor(fftSize / 2);
  const last = signal.length - 1;
  for (let i = 0; i < padded.length; i++) {
    const at = i - before;
    const outside = at < 0 || at > last;
    const mirrored = at < 0 ? -at : 2 * last - at;
    padded[i] = !outside ? signal[at]! : centre === 'reflect' ? signal[mirrored]! : 0;
  }
}

function weighed(levels: Float64Array, { first, weights }: { first: number; weights: Float64Array }): number {
  let sum = 0;
  for (let i = 0; i < weights.length; i++) sum += levels[first + i]! * weights[i]!;
  return sum;
}
