import type { Resize } from '@flotilla/protocol/device';
import { type Part, type Picture, type Pixels, type Preprocess, type View, expectStage } from '../stages.js';
import { grey } from './grey.js';
import { resampled } from './opencv.js';
import { resampledAsPillow } from './pillow.js';
import { type Place, frameOf, placeOf } from './place.js';

export const openResize =
  (options: Resize): Preprocess =>
  (stage) =>
    resize(expectStage(stage, 'picture'), options);

async function resize(picture: Picture, options: Resize): Promise<Pixels> {
  const place = placeOf(picture, options);
  const { width, height } = frameOf(picture, options);
  // What is seen of the scaled picture; all of it where there are margins.
  const left = Math.max(0, place.left);
  const top = Math.max(0, place.top);
  const shown = { left, top, width: Math.min(width, place.width - left), height: Math.min(height, place.height - top) };
  const scaled = await scaledPart(picture, place, shown, options.reference);
  const margin = { left: Math.max(0, -place.left), top: Math.max(0, -place.top) };
  const rgb =
    shown.width === width && shown.height === height ? scaled : padded(scaled, shown, margin, { ...options, width, height });
  const isGrey = picture.colour === 'grey-bt601';
  const data = isGrey ? grey(rgb) : rgb;
  const { colour } = picture;
  return { kind: 'pixels', data, width, height, channels: isGrey ? 1 : 3, colour, view: viewOf(picture, place) };
}

/** The part of the scaled picture that is shown, red, green and blue. */
async function scaledPart(
  { pixels, width, height }: Picture,
  place: Place,
  shown: Part,
  reference: Resize['reference'],
): Promise<Uint8Array> {
  const { data } = await pixels();
  return reference === 'pillow-bilinear' || reference === 'pillow-bicubic'
    ? resampledAsPillow({ data, width, height }, place, shown, reference)
    : resampled({ data, width, height }, place, shown, reference);
}

function padded(part: Uint8Array, size: Part, margin: { left: number; top: number }, { width, height, pad }: Resize) {
  const canvas = new Uint8Array(width * height * 3);
  if (typeof pad === 'number') canvas.fill(pad);
  else if (pad) for (let i = 0; i < canvas.length; i++) canvas[i] = pad[i % 3]!;
  const row = size.width * 3;
  for (let y = 0; y < size.height; y++)
    canvas.set(part.subarray(y * row, (y + 1) * row), ((y + margin.top) * width + margin.left) * 3);
  return canvas;
}

function viewOf({ width, height, cut }: Picture, place: Place): View {
  const [scaleX, scaleY] = [place.width / width, place.height / height];
  const { left, top, ...whole } = cut ?? { left: 0, top: 0, width, height };
  return { scaleX, scaleY, shiftX: -place.left - left * scaleX, shiftY: -place.top - top * scaleY, ...whole };
}
