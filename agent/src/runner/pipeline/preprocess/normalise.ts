import type { Normalise, PixelsStep } from '@flotilla/protocol/device';
import { type Made, type Pixels, type Preprocess, expectStage } from '../stages.js';

export const openNormalise = (options: Normalise): Preprocess => {
  const tables = tablesOf(options);
  return (stage) => {
    const pixels = expectStage(stage, 'pixels');
    const tensor = new Float32Array(pixels.data.length);
    laidOut(pixels, options.layout, (channel) => tables[channel]!, tensor);
    return made(pixels, options.layout, 'FP32', tensor);
  };
};

export const openPixels =
  ({ layout }: PixelsStep): Preprocess =>
  (stage) => {
    const pixels = expectStage(stage, 'pixels');
    const tensor = new Uint8Array(pixels.data.length);
    laidOut(pixels, layout, (_channel) => identity, tensor);
    return made(pixels, layout, 'UINT8', tensor);
  };

type Table = Float32Array | Uint8Array;
const identity = Uint8Array.from({ length: 256 }, (_, value) => value);
/** `(pixel − mean) / std` for each level of each channel: 256 divisions instead of one per pixel. */
const tablesOf = ({ mean, std }: Normalise): Table[] =>
  mean.map((middle, channel) => Float32Array.from({ length: 256 }, (_, value) => (value - middle) / std[channel]!));

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
