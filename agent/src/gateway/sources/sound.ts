import type { AudioSource } from '@flotilla/protocol/device';
import type { Captured } from '../source.js';
import { SignalChunks } from './signal-chunks.js';
import { StreamResampler } from './stream-resampler.js';
import type { WavFormat, WavPart } from './wav-stream.js';

type Wanted = Pick<AudioSource, 'rate' | 'channels' | 'chunkMs'>;

/** Sound in the rate and with the channels that a release wants, in chunks of a set length. */
export class Sound {
  readonly #chunks: SignalChunks;
  #format: WavFormat | undefined;
  #resamplers: readonly StreamResampler[] = [];

  constructor(
    private readonly wanted: Wanted,
    name: string,
  ) {
    const { rate, channels, chunkMs } = wanted;
    this.#chunks = new SignalChunks({ rate, channels, frames: Math.max(1, Math.round((rate * chunkMs) / 1000)) }, name);
  }

  /** Something is missing before what comes next, which begins with a format. */
  gap(): void {
    this.#chunks.gap();
  }

  *push(part: WavPart): Generator<Captured> {
    if ('samples' in part) return yield* this.#chunks.push(this.#converted(part.samples));
    // Another file in the same pipe, at another rate perhaps: what spans both means nothing.
    if (this.#format) this.#chunks.gap();
    this.#begin(part.format);
  }

  /** What is left at a file's end. */
  *end(): Generator<Captured> {
    const tails = this.#resamplers.map((resampler) => resampler.end());
    if (tails.length > 0) yield* this.#chunks.push(interleaved(tails));
    yield* this.#chunks.end();
  }

  /** Throws for rates that share too little. */
  #begin(format: WavFormat): void {
    const { rate, channels } = this.wanted;
    this.#format = format;
    const resampled = format.rate === rate ? 0 : channels;
    this.#resamplers = Array.from({ length: resampled }, () => new StreamResampler(format.rate, rate));
  }

  #converted(samples: Float32Array): Float32Array {
    const mixed = withChannels(samples, this.#format!.channels, this.wanted.channels);
    if (this.#resamplers.length === 0) return mixed;
    return interleaved(this.#resamplers.map((resampler, i) => resampler.push(channelOf(mixed, i, this.#resamplers.length))));
  }
}

/** To one: their mean. From one: to each. Else the first ones, and silence for those that are missing. */
export function withChannels(samples: Float32Array, from: number, to: number): Float32Array {
  if (from === to) return samples;
  const frames = samples.length / from;
  const made = new Float32Array(frames * to);
  for (let frame = 0; frame < frames; frame += 1) {
    const all = samples.subarray(frame * from, (frame + 1) * from);
    if (to === 1) made[frame] = all.reduce((sum, sample) => sum + sample, 0) / from;
    else for (let i = 0; i < to; i += 1) made[frame * to + i] = from === 1 ? all[0]! : (all[i] ?? 0);
  }
  return made;
}

const channelOf = (samples: Float32Array, channel: number, channels: number): Float32Array =>
  channels === 1
    ? samples
    : Float32Array.from({ length: samples.length / channels }, (_, frame) => samples[frame * channels + channel]!);

function interleaved(channels: readonly Float32Array[]): Float32Array {
  const [only] = channels;
  if (channels.length === 1) return only!;
  return Float32Array.from(
    { length: only!.length * channels.length },
    (_, i) => channels[i % channels.length]![Math.floor(i / channels.length)]!,
  );
}
