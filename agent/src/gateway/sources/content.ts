import type { Payload } from '../../frame.js';
import { WavStream, type WavFormat } from './wav-stream.js';

export type Content = { payload: Payload; bytes: Uint8Array };
/** Of what one can tell by its bytes alone. */
export type ContentKind = 'picture' | 'features' | 'sound';

/** Bytes that are not what they are said to be, or nothing that can be inferred. */
export class ContentError extends Error {
  override readonly name = 'ContentError';
}

/** By what they begin with: messages of most protocols do not say what they hold. */
export function kindOf(bytes: Uint8Array): ContentKind | undefined {
  const begin = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.byteLength, 16));
  if (begin.length >= 3 && begin.readUIntBE(0, 3) === 0xffd8ff) return 'picture';
  if (begin.subarray(0, 8).equals(pngMagic)) return 'picture';
  const riff = begin.toString('latin1', 0, 4) === 'RIFF' ? begin.toString('latin1', 8, 12) : undefined;
  if (riff === 'WEBP') return 'picture';
  if (riff === 'WAVE') return 'sound';
  return /^\uFEFF?\s*\{/.test(begin.toString('utf8')) ? 'features' : undefined;
}
const pngMagic = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

/** Throws ContentError. */
export function contentOf(bytes: Uint8Array): Content {
  if (bytes.byteLength === 0) throw new ContentError('it is empty');
  const kind = kindOf(bytes);
  switch (kind) {
    case 'picture':
      return { payload: { kind: 'encoded' }, bytes };
    case 'sound':
      return sound(bytes);
    case 'features':
      return features(bytes);
    case undefined:
      throw new ContentError('it is neither a JPEG, PNG or WebP picture, nor a WAV, nor a JSON object of features');
  }
}

function features(bytes: Uint8Array): Content {
  try {
    // Parsed to find out here who sent it broken; the runner gets the text as it came.
    JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    return { payload: { kind: 'features' }, bytes: withoutBom(bytes) };
  } catch (cause) {
    throw new ContentError('it begins as a JSON object, and is none', { cause });
  }
}

function withoutBom(bytes: Uint8Array): Uint8Array {
  return bytes[0] === 0xef ? bytes.subarray(3) : bytes;
}

function sound(bytes: Uint8Array): Content {
  let format: WavFormat | undefined;
  const pieces: Float32Array[] = [];
  try {
    for (const part of new WavStream().push(bytes)) {
      if ('samples' in part) pieces.push(part.samples);
      else format ??= part.format;
    }
  } catch (cause) {
    throw new ContentError(`its WAV can not be read: ${(cause as Error).message}`, { cause });
  }
  if (!format || pieces.length === 0) throw new ContentError('its WAV holds no samples');
  return { payload: { kind: 'signal', ...format }, bytes: Buffer.concat(pieces.map(bytesOf)) };
}

export function bytesOf(samples: Float32Array): Uint8Array {
  return new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength);
}
