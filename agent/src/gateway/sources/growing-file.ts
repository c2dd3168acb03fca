import { type FileHandle, open, stat } from 'node:fs/promises';
import { isErrno } from '../../errors.js';
import { pause, SourceTrouble } from './persistent.js';

/** `begins`: what follows is of another file, or of this one written anew. */
export type FilePiece = { bytes: Uint8Array } | { begins: true } | { waiting: string };

const pollMs = 250;
const pieceBytes = 64 * 1024;
const newline = 0x0a;

type Reading = { file: string; from: 'start' | 'end'; /** Its first line is read, wherever else one begins. */ header: boolean };

/** A file's bytes as they are written, through rotation (another file under the name) and truncation. Polled: it holds on network drives, too. */
export async function* growingFile(reading: Reading, signal: AbortSignal): AsyncGenerator<FilePiece> {
  let passOver = reading.from === 'end';
  while (!signal.aborted) {
    const handle = await opened(reading.file);
    if (handle) {
      yield { begins: true };
      yield* oneFile(handle, { ...reading, from: passOver ? 'end' : 'start' }, signal);
    } else {
      yield { waiting: `${reading.file} is not there` };
      await pause(pollMs, signal);
    }
    // All of what comes under the name from now on is new.
    passOver = false;
  }
}

/** Until another file has its name. */
async function* oneFile(handle: FileHandle, { file, from, header }: Reading, signal: AbortSignal): AsyncGenerator<FilePiece> {
  try {
    let position = 0;
    if (from === 'end') {
      const { size } = await handle.stat();
      const firstLine = header ? await throughFirstLine(handle) : new Uint8Array();
      if (firstLine.byteLength > 0) yield { bytes: firstLine };
      position = header && firstLine.byteLength === 0 ? 0 : Math.max(firstLine.byteLength, await startOfLastLine(handle, size));
    }
    while (!signal.aborted) {
      const bytes = await pieceAt(handle, position);
      position += bytes.byteLength;
      if (bytes.byteLength > 0) yield { bytes };
      else {
        const changed = await change(file, handle, position);
        if (changed === 'replaced') return;
        if (changed === 'truncated') {
          position = 0;
          yield { begins: true };
        } else await pause(pollMs, signal);
      }
    }
  } finally {
    await handle.close();
  }
}

async function opened(file: string): Promise<FileHandle | undefined> {
  try {
    const handle = await open(file, 'r');
    if ((await handle.stat()).isFile()) return handle;
    await handle.close();
  } catch (error) {
    return gone(error);
  }
  throw new SourceTrouble('failed', `${file} is no file`);
}

async function pieceAt(handle: FileHandle, position: number): Promise<Uint8Array> {
  const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(pieceBytes), 0, pieceBytes, position);
  return buffer.subarray(0, bytesRead);
}

async function change(file: string, handle: FileHandle, position: number): Promise<'truncated' | 'replaced' | undefined> {
  const [own, named] = await Promise.all([handle.stat(), stat(file).catch(gone)]);
  // One that is moved away is written on for a while: it is left when another has its name.
  if (named && (named.ino !== own.ino || named.dev !== own.dev)) return 'replaced';
  return own.size < position ? 'truncated' : undefined;
}

function gone(error: unknown): undefined {
  if (!isErrno(error, 'ENOENT')) throw error;
}

/** Nothing while it has no end yet: then all is read from the start. */
async function throughFirstLine(handle: FileHandle): Promise<Uint8Array> {
  const begin = await pieceAt(handle, 0);
  return begin.subarray(0, begin.indexOf(newline) + 1);
}

/** A line that is being written is read whole. */
async function startOfLastLine(handle: FileHandle, size: number): Promise<number> {
  const from = Math.max(0, size - pieceBytes);
  const end = (await pieceAt(handle, from)).subarray(0, size - from);
  const last = end.lastIndexOf(newline);
  return last < 0 && from > 0 ? size : from + last + 1;
}
