import sharp, { type Sharp, type SharpOptions } from 'sharp';
import { normalise } from './normalise.js';
import { type PicturePlan, scaling } from './plan.js';

// One picture at a time beside the model; libvips' own threads and cache would take what the budget gave to the engine.
sharp.concurrency(1);
sharp.cache(false);

const kernels = { 'pillow-bilinear': 'linear', 'pillow-bicubic': 'cubic' } as const;
/** 64 megapixels: more would take hundreds of megabytes just to decode. */
const maxPixels = 64 * 1024 * 1024;

/** An encoded picture to the tensor that the release asks for. Throws an Error that says what is wrong with the picture. */
export async function pictureToTensor(encoded: Uint8Array, plan: PicturePlan): Promise<Float32Array<ArrayBuffer>> {
  const { width, height } = plan.resize;
  const picture = await opaque(encoded, plan.decode);
  const { left, top, ...scaled } = scaling(picture, plan.resize);
  const { data } = await picture.pixels
    .resize(scaled.width, scaled.height, { fit: 'fill', kernel: kernels[plan.resize.reference], fastShrinkOnLoad: false })
    .extract({ left, top, width, height })
    .toColourspace('srgb')
    .removeAlpha()
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true });
  if (data.length !== width * height * 3) throw new Error(`the picture decodes to ${data.length / width / height} channels`);
  return normalise(data, plan.normalise, plan.decode.colour);
}

/** The picture's size as it will be seen, and its pixels without transparency. */
async function opaque(
  encoded: Uint8Array,
  decode: PicturePlan['decode'],
): Promise<{ pixels: Sharp; width: number; height: number }> {
  const options: SharpOptions = {
    autoOrient: decode.exif === 'apply',
    ignoreIcc: decode.icc === 'ignore',
    limitInputPixels: maxPixels,
    failOn: 'error',
  };
  const metadata = await sharp(encoded, options).metadata();
  const { width, height } = decode.exif === 'apply' ? metadata.autoOrient : metadata;
  if (!metadata.hasAlpha) return { pixels: sharp(encoded, options), width, height };
  // Resizing first would weigh colours by their opacity, which the reference (drop alpha, then resize) does not.
  const { data, info } = await sharp(encoded, options)
    .removeAlpha()
    .toColourspace('srgb')
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true });
  return { pixels: sharp(data, { raw: { width: info.width, height: info.height, channels: info.channels } }), width, height };
}
