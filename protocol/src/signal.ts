import { z } from 'zod';

const strictly = z.strictObject;

/** What a release remembers of a stream, when another release takes over: forget it, or go on where the signature is the same. */
export const OnSwap = z.enum(['reset', 'carry']);
export type OnSwap = z.infer<typeof OnSwap>;

/** Samples a second, and `mono` (the channels' mean) or how many channels there must be. */
export const Signal = strictly({
  rate: z.number().gt(0).max(10_000_000),
  channels: z.union([z.literal('mono'), z.int().min(1).max(64)]),
  /** What becomes of a whole file with another rate: as scipy's resample_poly. Where nothing is said, and of a stream always, it is refused. */
  resample: z.literal('scipy-poly').optional(),
});
export type Signal = z.infer<typeof Signal>;

/** Windows of so many samples, one every `hop`; each with the `context` samples before it in front: zeros where the stream begins. */
export const Window = strictly({
  samples: z.int().min(1).max(1_000_000),
  hop: z.int().min(1).max(1_000_000),
  context: z.int().min(1).max(1_000_000).optional(),
  onSwap: OnSwap,
}).refine(({ samples, hop }) => hop <= samples, {
  path: ['hop'],
  message: 'hop must be at most samples: nothing is passed over',
});
export type Window = z.infer<typeof Window>;

/** A window's samples as they are, times `scale`: N, Time and Channels in the model's order. */
export const Waveform = strictly({ layout: z.enum(['NT', 'NCT', 'NTC']), scale: z.number().optional() });
export type Waveform = z.infer<typeof Waveform>;

export const channelsOf = ({ channels }: Pick<Signal, 'channels'>): number => (channels === 'mono' ? 1 : channels);
export const windowLength = ({ samples, context = 0 }: Pick<Window, 'samples' | 'context'>): number => samples + context;

export const waveformShape = ({ layout }: Waveform, channels: number, samples: number): number[] =>
  layout === 'NT' ? [1, samples] : layout === 'NCT' ? [1, channels, samples] : [1, samples, channels];
