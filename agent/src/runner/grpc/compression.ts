import { promisify } from 'node:util';
import { constants, gunzip, gzip, inflate, deflate } from 'node:zlib';
import { messageOf } from '../../errors.js';
import { type Frame, tooLarge } from './framing.js';
import { CallError, codes } from './status.js';

const decompressors = { gzip: promisify(gunzip), deflate: promisify(inflate) };
const compressors = { gzip: promisify(gzip), deflate: promisify(deflate) };
type Coding = keyof typeof decompressors;

/** What `grpc-accept-encoding` says of this server. */
export const acceptedCodings = 'identity,gzip,deflate';
/** Below this the headers outweigh what is saved. */
const leastBytes = 1024;

/** The coding of a call's messages; undefined where they come as they are. */
export function codingOf(header: string | undefined): Coding | undefined {
  if (header === undefined || header === 'identity') return undefined;
  if (header === 'gzip' || header === 'deflate') return header;
  throw new CallError(codes.unimplemented, `messages compressed with "${header}" are not taken; use ${acceptedCodings}`, {
    'grpc-accept-encoding': acceptedCodings,
  });
}

export async function decompressed({ compressed, bytes }: Frame, coding: Coding | undefined, maxBytes: number): Promise<Buffer> {
  if (!compressed) return bytes;
  if (!coding)
    throw new CallError(codes.invalidArgument, 'a message is flagged as compressed, but the call names no grpc-encoding');
  try {
    return await decompressors[coding](bytes, { maxOutputLength: maxBytes });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE')
      throw tooLarge('too many bytes once decompressed', maxBytes);
    throw new CallError(codes.invalidArgument, `a message is no whole ${coding}: ${messageOf(error)}`);
  }
}

/** A client that compresses gets its answers compressed, where that makes them smaller. */
export async function compressed(pieces: readonly Uint8Array[], coding: Coding | undefined): Promise<Uint8Array | undefined> {
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  if (!coding || length < leastBytes) return undefined;
  const body = await compressors[coding](Buffer.concat(pieces), { level: constants.Z_BEST_SPEED });
  return body.length < length ? body : undefined;
}
