import sharp from 'sharp';
import { messageOf } from '../../../errors.js';

/** 64 megapixels: more would take hundreds of megabytes just to decode. */
export const maxPixels = 64 * 1024 * 1024;
/** What libvips reads besides, drawings and documents, is programs more than pictures. */
const pictures = new Set(['jpeg', 'png', 'webp', 'gif', 'tiff', 'heif']);

export function checkFormat(format: string): void {
  if (!pictures.has(format)) throw new Error(`it is ${format.toUpperCase()}, which is not read; send it as JPEG, PNG or WebP`);
}

/** What is wrong with a picture, for people: `it …`. */
export async function pictureFault(error: unknown, encoded: Uint8Array): Promise<Error> {
  if (encoded.length === 0) return new Error('it is empty', { cause: error });
  // libvips repeats itself, a line each time.
  const [said = ''] = messageOf(error).split('\n');
  if (said.includes('exceeds pixel limit')) return tooLarge(encoded);
  if (said.includes('unsupported image format'))
    return new Error('it is no picture that can be read; send it as JPEG, PNG or WebP', { cause: error });
  if (/premature|corrupt|read error|unable to|decod|Vips|vips|libspng|Huffman/.test(said))
    return new Error(`it is cut off or broken (${said})`, { cause: error });
  return error instanceof Error ? error : new Error(said);
}

async function tooLarge(encoded: Uint8Array): Promise<Error> {
  const { width, height } = await sharp(encoded, { limitInputPixels: false }).metadata();
  return new Error(
    `it has ${width}×${height} pixels, more than the ${maxPixels / 2 ** 20} megapixels that are decoded; send it smaller`,
  );
}
