import type { Sharp } from 'sharp';

/** A picture's pixels, 8 bits each of red, green and blue. */
export async function decoded(
  source: Sharp,
): Promise<{ data: Uint8Array; info: { width: number; height: number; channels: 3 } }> {
  const { data, info } = await source
    .toColourspace('srgb')
    .removeAlpha()
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true });
  const { width, height, channels } = info;
  if (channels !== 3) throw new Error(`it decodes to ${channels} channels`);
  return { data, info: { width, height, channels } };
}
