import type { Crop } from '@flotilla/protocol/device';
import { type Picture, type Preprocess, expectStage } from '../stages.js';
import { cutOut } from './cut-out.js';

export const openCrop =
  (options: Crop): Preprocess =>
  (stage) =>
    crop(expectStage(stage, 'picture'), options);

function crop(picture: Picture, options: Crop): Picture {
  const part = partOf(picture, options);
  const { left, top, width, height } = part;
  if (left + width > picture.width || top + height > picture.height)
    throw new Error(
      `it is ${picture.width}×${picture.height}, the crop takes ${width}×${height} from ${left},${top} on: it lies outside`,
    );
  // libvips does not promise the order of turning and cutting; on pixels as they are seen there is only one.
  const pixels = async () => cutOut(await picture.pixels(), part);
  return { ...picture, pixels, width, height, cut: { left, top, width: picture.width, height: picture.height } };
}

function partOf(picture: Pick<Picture, 'width' | 'height'>, { left, top, width, height, unit }: Crop) {
  if (unit === 'pixels') return { left, top, width, height };
  const [x, y] = [Math.round(left * picture.width), Math.round(top * picture.height)];
  return {
    left: x,
    top: y,
    width: Math.max(1, Math.round((left + width) * picture.width) - x),
    height: Math.max(1, Math.round((top + height) * picture.height) - y),
  };
}
