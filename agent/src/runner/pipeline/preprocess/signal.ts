import type { Signal } from '@flotilla/protocol/device';
import { type Preprocess, expectStage } from '../stages.js';

/** A chunk as it came, for a release that takes so many samples a second: each channel by itself. */
export const openSignal =
  ({ rate, channels, resample }: Signal): Preprocess =>
  async (stage) => {
    const chunk = expectStage(stage, 'chunk');
    const fits = chunk.rate === rate;
    if (!fits && !(resample && chunk.isWhole))
      throw new Error(`it has ${chunk.rate} samples a second, the release takes ${rate}; set the source's rate`);
    if (channels !== 'mono' && chunk.channels !== channels)
      throw new Error(`it has ${chunk.channels} channels, the release takes ${channels}`);
    const given = planesOf(chunk.data, chunk.channels);
    const planes = channels === 'mono' ? [mean(given)] : given;
    return { kind: 'signal', planes: fits ? planes : planes.map(await resampling(chunk.rate, rate)), rate };
  };

const resampling = async (from: number, to: number) => (await import('../signal/resample.js')).resampler(from, to);

function planesOf(data: Float32Array, channels: number): Float32Array[] {
  const samples = data.length / channels;
  if (!Number.isInteger(samples)) throw new Error(`it has ${data.length} numbers for ${channels} channels`);
  if (channels === 1) return [data];
  return Array.from({ length: channels }, (_, channel) =>
    Float32Array.from({ length: samples }, (_value, i) => data[i * channels + channel]!),
  );
}

function mean(planes: readonly Float32Array[]): Float32Array {
  const [first, ...others] = planes;
  if (others.length === 0) return first!;
  return first!.map((value, i) => others.reduce((sum, plane) => sum + plane[i]!, value) / planes.length);
}
