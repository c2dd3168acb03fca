import type { Signal } from '@flotilla/protocol';
import { type Preprocess, expectStage } from '../stages.js';

/** A chunk as it came, for a release that takes so many samples a second: each channel by itself. */
export const openSignal =
  ({ rate, channels }: Signal): Preprocess =>
  (stage) => {
    const chunk = expectStage(stage, 'chunk');
    if (chunk.rate !== rate)
      throw new Error(`it has ${chunk.rate} samples a second, the release takes ${rate}; set the source's rate`);
    if (channels !== 'mono' && chunk.channels !== channels)
      throw new Error(`it has ${chunk.channels} channels, the release takes ${channels}`);
    const planes = planesOf(chunk.data, chunk.channels);
    return { kind: 'signal', planes: channels === 'mono' ? [mean(planes)] : planes, rate };
  };

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
