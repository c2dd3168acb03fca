import { z } from 'zod';

const strictly = z.strictObject;

/**
 * Of powers or amplitudes, to the base `e` or 10, or in decibels. What is below `floor` is raised to it, or (`floorBy: add`) all is by it. `reference`: what is 0;
 * `highest` is the window's own. `range`: nothing lies further below the highest.
 */
export const LogLevels = strictly({
  base: z.union([z.literal(10), z.enum(['e', 'decibel'])]),
  floor: z.number().gt(0),
  floorBy: z.enum(['clip', 'add']).default('clip'),
  reference: z.union([z.number().gt(0), z.literal('highest')]).default(1),
  range: z.number().gt(0).optional(),
});
export type LogLevels = z.infer<typeof LogLevels>;

/** Of what comes out, at last. */
const scale = strictly({ mean: z.number(), std: z.number().gt(0) }).optional();
const taper = z.enum(['hann', 'hamming', 'none']);

/** In place of each channel: less its mean, or less the straight line that lies nearest. */
export const Detrend = strictly({ type: z.enum(['constant', 'linear']) });
export type Detrend = z.infer<typeof Detrend>;

/** Each channel by what this window of it holds: mean 0 and variance 1, from 0 to 1, or a peak of 1. `epsilon` keeps silence silent. */
export const Standardise = strictly({
  to: z.enum(['unit-variance', 'unit-range', 'unit-peak']),
  epsilon: z.number().gt(0).max(1).default(1e-7),
});
export type Standardise = z.infer<typeof Standardise>;

/** By numbers of the training set: one pair for all channels, or one each in their order. */
export const Scale = z
  .array(
    z.union([
      strictly({ mean: z.number(), std: z.number().gt(0) }),
      strictly({ min: z.number(), max: z.number() }).refine(({ min, max }) => min < max, 'min must be below max'),
    ]),
  )
  .min(1)
  .max(64);
export type Scale = z.infer<typeof Scale>;

/** The whole window's Fourier transform, bins 0 to half its samples. `amplitude`: of the wave, whatever the window's length and taper. */
export const Spectrum = strictly({
  taper,
  values: z.enum(['magnitude', 'power']),
  scaling: z.enum(['none', 'amplitude']).default('none'),
  log: LogLevels.optional(),
  scale,
  /** N, Channels and Frequencies in the model's order. */
  layout: z.enum(['NF', 'NCF', 'NFC']),
});
export type Spectrum = z.infer<typeof Spectrum>;

const size = z.int().min(2).max(65_536);
/** librosa's melspectrogram: no default where the two usual ways differ. */
export const LogMel = strictly({
  fftSize: size,
  hop: z.int().min(1).max(65_536),
  /** Of the taper, where it is shorter than the transform. */
  taperLength: size.optional(),
  taper: z.enum(['hann', 'hamming']),
  mels: z.int().min(1).max(512),
  fmin: z.number().min(0).default(0),
  /** Hz; half the rate where nothing is said. */
  fmax: z.number().gt(0).optional(),
  formula: z.enum(['slaney', 'htk']),
  norm: z.enum(['slaney', 'none']),
  power: z.union([z.literal(1), z.literal(2)]),
  /** What lies beyond the window's ends for the spectra there; `none`: only whole ones are made. */
  centre: z.enum(['reflect', 'zeros', 'none']),
  log: LogLevels.optional(),
  scale,
  /** N, Channels, Mel bands and Time in the model's order. */
  layout: z.enum(['NMT', 'NTM', 'NCMT', 'NCTM']),
}).check(({ value, issues }) => {
  const { taperLength, fftSize, fmin, fmax } = value;
  if (taperLength !== undefined && taperLength > fftSize)
    issues.push({ code: 'custom', path: ['taperLength'], message: `must be at most fftSize (${fftSize})`, input: taperLength });
  if (fmax !== undefined && fmax <= fmin)
    issues.push({ code: 'custom', path: ['fmax'], message: `must be above fmin (${fmin})`, input: fmax });
});
export type LogMel = z.infer<typeof LogMel>;

export const binsOf = (samples: number): number => Math.floor(samples / 2) + 1;

/** How many spectra lie in a window. */
export function melFrames(samples: number, { fftSize, hop, centre }: Pick<LogMel, 'fftSize' | 'hop' | 'centre'>): number {
  const padded = centre === 'none' ? samples : samples + 2 * Math.floor(fftSize / 2);
  return padded < fftSize ? 0 : 1 + Math.floor((padded - fftSize) / hop);
}

type WindowShape = { channels: number; rate: number; samples: number };
type Told = { shape: number[] } | { problem: string };
const wrongLayout = (step: string, layout: string, channels: number): Told => ({
  problem: `${step} has the layout ${layout}, which is for one channel, and there are ${channels}`,
});

export function spectrumShape({ layout }: Pick<Spectrum, 'layout'>, { channels, samples }: WindowShape): Told {
  const bins = binsOf(samples);
  if (layout === 'NF') return channels === 1 ? { shape: [1, bins] } : wrongLayout('spectrum', layout, channels);
  return { shape: layout === 'NCF' ? [1, channels, bins] : [1, bins, channels] };
}

export function logMelShape(options: LogMel, { channels, rate, samples }: WindowShape): Told {
  const { layout, mels, fmax = rate / 2, fftSize, centre } = options;
  if (fmax > rate / 2) return { problem: `log-mel reaches to ${fmax} Hz, a signal of ${rate} samples a second to ${rate / 2}` };
  const frames = melFrames(samples, options);
  if (frames === 0) return { problem: `log-mel has a fftSize of ${fftSize} for windows of ${samples} samples` };
  if (centre === 'reflect' && samples <= fftSize / 2)
    return { problem: `log-mel can't mirror windows of ${samples} samples for a fftSize of ${fftSize}` };
  const plane = layout.endsWith('MT') ? [mels, frames] : [frames, mels];
  if (layout.startsWith('NC')) return { shape: [1, channels, ...plane] };
  return channels === 1 ? { shape: [1, ...plane] } : wrongLayout('log-mel', layout, channels);
}
