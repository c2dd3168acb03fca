import type { IncomingMessage } from 'node:http';
import { spareBuffers } from '../spare-buffers.js';
import { free } from '../../free.js';
import { maxBodyBytes, readBody } from '../../http/http.js';

/** `ours`: nothing else lies in the bytes' buffer, so that it may be given away, and what follows the JSON is aligned for any number. */
export type Body = { bytes: Buffer; ours: boolean };

/** A cache line: more than any number needs. */
const alignment = 64;

/**
 * The whole body. Where its length is known each piece is copied to its final place as it comes, and its own buffer freed at once: a
 * tensor is copied once, and hundreds of kilobytes a request never wait for the collector. `head` bytes come before the tensors.
 */
export async function readAligned(request: IncomingMessage, head: number): Promise<Body> {
  const length = Number(request.headers['content-length']);
  const inPlace =
    !request.headers['content-encoding'] && length > 0 && length <= maxBodyBytes && Number.isSafeInteger(head) && head >= 0;
  if (!inPlace) return { bytes: await readBody(request), ours: false };
  const start = (alignment - (head % alignment)) % alignment;
  const bytes = Buffer.from(spareBuffers.take(start + length), start, length);
  await receive(request, bytes);
  return { bytes, ours: true };
}

/** The parser never hands over more than the length that was announced; where less comes, the request errs. */
function receive(request: IncomingMessage, into: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    let received = 0;
    request.on('data', (piece: Buffer<ArrayBuffer>) => {
      into.set(piece, received);
      received += piece.length;
      // The parser makes each piece a buffer of its own.
      free(piece);
    });
    request.once('end', resolve);
    request.once('error', reject);
  });
}
