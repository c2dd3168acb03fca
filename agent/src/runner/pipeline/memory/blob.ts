import { crc32 } from 'node:zlib';
import { z } from 'zod';

/**
 * What a release remembers of a stream, as it travels with the stream's frames: `FLS1`, the CRC-32 of all that follows, the length of a JSON head
 * (both 4 bytes, big-endian), the head, and each part's bytes. It comes back from outside, and anything may have happened to it there.
 */
const magic = Buffer.from('FLS1');
const fixedBytes = 12;
const mostBlobBytes = 1024 * 1024;

/** `value`: as JSON; `data`: numbers that JSON would make large. */
export type Held = { value?: unknown; data?: Uint8Array | undefined };
export type Part = Held & {
  key: string;
  signature: string;
  /** Why its results are uncertain, while they are. */ began?: string | undefined;
};
/** `digest`: of the release that wrote it. */
type Blob = { digest: string; stream: string; parts: Part[] };

const Head = z.object({
  digest: z.string().max(128),
  stream: z.string().max(128),
  parts: z
    .array(
      z.object({
        key: z.string().max(512),
        signature: z.string().max(4096),
        value: z.unknown().optional(),
        bytes: z.int().min(0),
        began: z.string().max(4096).optional(),
      }),
    )
    .max(128),
});

/** No state of this kind. */
export class BlobError extends Error {
  override readonly name = 'BlobError';
}

export function encodeBlob({ digest, stream, parts }: Blob): Buffer {
  const heads = parts.map(({ data, ...part }) => ({ ...part, bytes: data?.byteLength ?? 0 }));
  const head = Buffer.from(JSON.stringify({ digest, stream, parts: heads }));
  const fixed = Buffer.alloc(fixedBytes);
  fixed.writeUInt32BE(head.length, 8);
  const blob = Buffer.concat([fixed, head, ...parts.flatMap(({ data }) => data ?? [])]);
  if (blob.length > mostBlobBytes) throw new BlobError(`it has ${blob.length} bytes; ${mostBlobBytes} are the most`);
  magic.copy(blob);
  blob.writeUInt32BE(crc32(blob.subarray(8)), 4);
  return blob;
}

/** Throws BlobError. The parts' data are views of the bytes. */
export function decodeBlob(bytes: Uint8Array): Blob {
  const blob = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (blob.length < fixedBytes || !blob.subarray(0, magic.length).equals(magic))
    throw new BlobError('it is no state of this kind');
  if (blob.length > mostBlobBytes) throw new BlobError(`it has ${blob.length} bytes; ${mostBlobBytes} are the most`);
  if (crc32(blob.subarray(8)) !== blob.readUInt32BE(4)) throw new BlobError('its checksum is wrong');
  const start = fixedBytes + blob.readUInt32BE(8);
  const { parts, ...head } = headOf(blob.subarray(fixedBytes, start));
  let at = start;
  const found = parts.map(({ bytes: length, ...part }) => ({ ...part, data: blob.subarray(at, (at += length)) }));
  if (at !== blob.length)
    throw new BlobError(`its parts have ${at - start} bytes, and it has ${blob.length - start} after its head`);
  return { ...head, parts: found };
}

function headOf(bytes: Buffer): z.infer<typeof Head> {
  try {
    return Head.parse(JSON.parse(bytes.toString('utf8')));
  } catch (cause) {
    throw new BlobError('its head makes no sense', { cause });
  }
}
