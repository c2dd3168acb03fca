import type { Sharp } from 'sharp';
import type { Rgb } from '../stages.js';

export async function decoded(source: Sharp): Promise<Rgb> {
  const { data, info } = await source
    .toColourspace('srgb')
    .removeAlpha()
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true });
  const { width, height, channels } = info;
  if (channels !== 3) throw new Error(`it decodes to ${channels} channels`);
  return { data, width, height };
}
