import type { Decode } from '@flotilla/protocol/device';
import sharp, { type Metadata, type Sharp, type SharpOptions } from 'sharp';
import { free } from '../../../free.js';
import { type Picture, type Preprocess, type Raw, expectStage } from '../stages.js';
import { decoded } from './decoded.js';
import { checkFormat, maxPixels, pictureFault } from './picture-fault.js';

// One picture at a time beside the model; libvips' own threads and cache would take what the budget gave to the engine.
sharp.concurrency(1);
sharp.cache(false);

export const openDecode =
  (options: Decode): Preprocess =>
  (stage) =>
    stage.kind === 'raw' ? taken(stage, options) : decode(expectStage(stage, 'encoded').bytes, options);

/** There is nothing to decode, turn or convert. */
function taken({ data, width, height, channels }: Raw, { colour }: Decode): Picture {
  const expected = width * height * channels;
  if (data.length !== expected)
    throw new Error(`it has ${data.length} bytes, ${width}×${height} pixels of ${channels} are ${expected}`);
  const rgb = { data: channels === 1 ? threefold(data) : data, width, height };
  return { kind: 'picture', pixels: () => Promise.resolve(rgb), width, height, colour };
}

function threefold(grey: Uint8Array): Uint8Array {
  const rgb = new Uint8Array(grey.length * 3);
  for (let i = 0; i < rgb.length; i++) rgb[i] = grey[(i / 3) | 0]!;
  return rgb;
}

async function decode(encoded: Uint8Array, how: Decode): Promise<Picture> {
  const options: SharpOptions = {
    autoOrient: how.exif === 'apply',
    ignoreIcc: how.icc === 'ignore',
    limitInputPixels: maxPixels,
    failOn: 'error',
  };
  const open = () => sharp(encoded, options);
  const said = async (error: unknown): Promise<never> => {
    throw await pictureFault(error, encoded);
  };
  const picture = await (isJpeg(encoded) && how.cmyk !== 'refuse' ? atOnce(open, how) : lookedAt(open, how)).catch(said);
  return { ...picture, pixels: () => picture.pixels().catch(said) };
}

const isJpeg = (encoded: Uint8Array) => encoded[0] === 0xff && encoded[1] === 0xd8 && encoded[2] === 0xff;

/** A JPEG has no transparency: to look at its head first would cost a tenth of its decoding. */
async function atOnce(open: () => Sharp, { colour }: Decode): Promise<Picture> {
  const rgb = await decoded(open());
  const { data, width, height } = rgb;
  return { kind: 'picture', pixels: () => Promise.resolve(rgb), free: () => free(data), width, height, colour };
}

/** The picture's size as it will be seen, and its pixels without transparency, which are not decoded yet. */
async function lookedAt(open: () => Sharp, { colour, exif, alpha, cmyk }: Decode): Promise<Picture> {
  const metadata = await open().metadata();
  checkFormat(metadata.format);
  if (cmyk === 'refuse' && metadata.space === 'cmyk') throw new Error('it is CMYK, which this release refuses; send it as RGB');
  const { width, height } = exif === 'apply' ? metadata.autoOrient : metadata;
  const source = metadata.hasAlpha ? await opaque(open(), alpha ?? 'drop') : open();
  return { kind: 'picture', pixels: () => decoded(source), width, height, colour };
}

/** Resizing first would weigh colours by their opacity, which the reference (alpha away, then resize) does not. */
async function opaque(picture: Sharp, alpha: NonNullable<Decode['alpha']>): Promise<Sharp> {
  const kept = alpha === 'drop' ? picture.removeAlpha() : picture.ensureAlpha();
  const { data, info } = await kept.toColourspace('srgb').raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true });
  const raw = (pixels: Uint8Array, channels: Metadata['channels']) =>
    sharp(pixels, { raw: { width: info.width, height: info.height, channels: channels as 3 } });
  return alpha === 'drop' ? raw(data, info.channels) : raw(blended(data, alpha.over), 3);
}

/** Integer rounding as Pillow's alpha_composite over an opaque ground: to the nearest of 255. */
function blended(rgba: Uint8Array, ground: readonly [number, number, number]): Uint8Array {
  const rgb = new Uint8Array((rgba.length / 4) * 3);
  for (let from = 0, to = 0; from < rgba.length; from += 4, to += 3) {
    const opacity = rgba[from + 3]!;
    for (let c = 0; c < 3; c++) rgb[to + c] = (rgba[from + c]! * opacity + ground[c]! * (255 - opacity) + 127) / 255;
  }
  return rgb;
}
