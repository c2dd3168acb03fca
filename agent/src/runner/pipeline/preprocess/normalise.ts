import type { Normalise, PixelsStep } from '@flotilla/protocol';
import { type Made, type Pixels, type Preprocess, expectStage } from '../stages.js';

export const openNormalise =
  (options: Normalise): Preprocess =>
  (stage) => {
    const pixels = expectStage(stage, 'pixels');
    return made(pixels, options.layout, 'FP32', normalise(pixels, options));
  };

export const openPixels =
  ({ layout }: PixelsStep): Preprocess =>
  (stage) => {
    const pixels = expectStage(stage, 'pixels');
    const tensor = new Uint8Array(pixels.data.length);
    laidOut(pixels, layout, (_channel) => identity, tensor);
    return made(pixels, layout, 'UINT8', tensor);
  };

/** 8-bit pixels to `(pixel − mean) / std` in the model's layout and order of colours. */
export function normalise(pixels: Pick<Pixels, 'data' | 'channels' | 'colour'>, { mean, std, layout }: Normalise) {
  const tensor = new Float32Array(pixels.data.length);
  laidOut(pixels, layout, (channel) => tableOf(mean[channel]!, std[channel]!), tensor);
  return tensor;
}

type Table = Float32Array | Uint8Array;
const identity = Uint8Array.from({ length: 256 }, (_, value) => value);
/** 256 divisions instead of one per pixel. */
const tableOf = (mean: number, std: number) => Float32Array.from({ length: 256 }, (_, value) => (value - mean) / std);

function laidOut(
  { data, channels, colour }: Pick<Pixels, 'data' | 'channels' | 'colour'>,
  layout: Normalise['layout'],
  tableFor: (channel: number) => Table,
  tensor: Float32Array | Uint8Array,
): void {
  const count = data.length / channels;
  const [step, plane] = layout === 'NCHW' ? [1, count] : [channels, 1];
  for (let channel = 0; channel < channels; channel++) {
    const source = colour === 'bgr' ? 2 - channel : channel;
    const table = tableFor(channel);
    for (let i = 0; i < count; i++) tensor[channel * plane + i * step] = table[data[i * channels + source]!]!;
  }
}

function made(
  { channels, width, height, view }: Pixels,
  layout: Normalise['layout'],
  type: Made['type'],
  data: Made['data'],
): Made {
  const shape = layout === 'NCHW' ? [1, channels, height, width] : [1, height, width, channels];
  return { kind: 'tensor', type, shape, data, view };
}
