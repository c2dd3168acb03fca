import { gunzipSync, gzipSync } from 'node:zlib';

/** No message is larger, as sent and as decompressed ×16: a broker or peer that is asked to carry more refuses. */
export const maxPayloadBytes = 256 * 1024;
const maxJsonBytes = 16 * maxPayloadBytes;
const gzipAboveBytes = 1024;

export class PayloadError extends Error {
  override readonly name = 'PayloadError';
}

/** JSON, gzipped above 1 KiB (the first byte tells: 0x1f is gzip). Throws PayloadError when it does not fit. */
export function encodePayload(message: unknown): Buffer {
  const json = Buffer.from(JSON.stringify(message));
  const payload = json.length > gzipAboveBytes ? gzipSync(json, { windowBits: windowBitsFor(json.length) }) : json;
  if (payload.length > maxPayloadBytes)
    throw new PayloadError(`message of ${payload.length} bytes; at most ${maxPayloadBytes} fit`);
  return payload;
}

/** A window that holds all of it compresses as well as the largest one, which takes longer to set up. */
const windowBitsFor = (bytes: number) => Math.min(15, Math.max(9, Math.ceil(Math.log2(bytes))));

/** The parsed but unchecked value: the caller gives it to its schema. Throws PayloadError with what was wrong. */
export function decodePayload(payload: Uint8Array): unknown {
  if (payload.length > maxPayloadBytes)
    throw new PayloadError(`message of ${payload.length} bytes; at most ${maxPayloadBytes} are read`);
  try {
    const json = payload[0] === 0x1f ? gunzipSync(payload, { maxOutputLength: maxJsonBytes }) : payload;
    return JSON.parse(Buffer.from(json.buffer, json.byteOffset, json.length).toString('utf8'));
  } catch (cause) {
    throw new PayloadError(`neither JSON nor gzipped JSON: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}
