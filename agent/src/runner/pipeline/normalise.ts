import type { Decode, Normalise } from '@flotilla/protocol';
import type { z } from 'zod';

type Order = z.infer<typeof Decode>['colour'];

/** Interleaved 8-bit RGB to `(pixel − mean) / std` in the model's layout and order of colours. */
export function normalise(
  pixels: Uint8Array,
  { mean, std, layout }: z.infer<typeof Normalise>,
  colour: Order,
): Float32Array<ArrayBuffer> {
  const count = pixels.length / 3;
  const tensor = new Float32Array(pixels.length);
  const [step, plane] = layout === 'NCHW' ? [1, count] : [3, 1];
  for (let channel = 0; channel < 3; channel++) {
    const source = colour === 'rgb' ? channel : 2 - channel;
    const table = tableOf(mean[channel]!, std[channel]!);
    for (let i = 0; i < count; i++) tensor[channel * plane + i * step] = table[pixels[i * 3 + source]!]!;
  }
  return tensor;
}

/** 256 divisions instead of one per pixel. */
const tableOf = (mean: number, std: number) => Float32Array.from({ length: 256 }, (_, value) => (value - mean) / std);
