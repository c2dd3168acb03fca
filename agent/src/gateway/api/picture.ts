import { type Reply, RequestError } from '../../http/http.js';
import type { SeenResult } from '../results.js';

/** What the camera sees: the picture of the latest result, as a browser shows it. */
export async function pictureOf(seen: SeenResult | undefined, slot: string): Promise<Reply> {
  if (!seen) throw new RequestError(404, `${slot} has no picture yet`);
  const { payload, bytes } = seen;
  // Which result it belongs to: the next one may be out already.
  const headers = { 'cache-control': 'no-store', 'flotilla-sequence': String(seen.sequence) };
  if (payload.kind === 'encoded') return { headers: { ...headers, 'content-type': typeOf(bytes) }, body: bytes };
  if (payload.kind !== 'pixels') throw new RequestError(404, `the source of ${slot} has no pictures`);
  const { default: sharp } = await import('sharp');
  const { width, height, channels } = payload;
  const body = await sharp(bytes, { raw: { width, height, channels } }).jpeg().toBuffer();
  return { headers: { ...headers, 'content-type': 'image/jpeg' }, body };
}

/** By the first bytes, which are the only ones to be relied on. */
function typeOf(bytes: Uint8Array): string {
  if (bytes[0] === 0xff && bytes[1] === 0xd8) return 'image/jpeg';
  return bytes[0] === 0x89 ? 'image/png' : 'image/webp';
}
