import { isErrno } from '../../errors.js';
import { learnsItIsOld } from './ffmpeg-arguments.js';
import { FfmpegChild, type FfmpegEnd } from './ffmpeg.js';
import { type Session, SourceTrouble } from './persistent.js';
import { StallWatch } from './stall-watch.js';

export type Reading<Piece> = {
  args: () => string[];
  /** `ffmpeg` where the path leads, if it isn't said. */
  program?: string | undefined;
  cut: (chunk: Buffer) => Iterable<Piece>;
  /** While it is awaited nothing is read, and ffmpeg waits. */
  onPiece: (piece: Piece) => void | Promise<void>;
  stallMs: number;
  /** It is ended where the pictures change their size: begun anew, it gives them in the new one instead of stretching them to the old. */
  endsAtNewSize?: boolean | undefined;
};
export type ReadingEnd = FfmpegEnd & { stalled: boolean; resized: boolean };

/** Runs ffmpeg once and hands on what it gives, until it ends, nothing comes any more, or the source is to stop. */
export async function readFfmpeg<Piece>(reading: Reading<Piece>, signal: AbortSignal): Promise<ReadingEnd> {
  const sizes = new Set<string>();
  let stalled = false;
  const onLine = (line: string) => {
    const size = sizeOf(line);
    if (size) sizes.add(size);
    if (reading.endsAtNewSize && sizes.size > 1) void child.stop();
  };
  const child = new FfmpegChild(reading.args(), { program: reading.program, onLine });
  const stall = () => {
    stalled = true;
    void child.stop();
  };
  const stop = () => void child.stop();
  signal.addEventListener('abort', stop);
  try {
    if (signal.aborted) stop();
    await handOn(child, reading, stall);
  } finally {
    signal.removeEventListener('abort', stop);
    await child.stop();
  }
  return { ...(await child.ended), stalled, resized: sizes.size > 1 };
}

async function handOn<Piece>(
  { output }: FfmpegChild,
  { cut, onPiece, stallMs }: Reading<Piece>,
  stall: () => void,
): Promise<void> {
  const watch = new StallWatch(stallMs, stall);
  watch.expect();
  try {
    for await (const chunk of output) {
      watch.rest();
      for (const piece of cut(chunk as Buffer)) await onPiece(piece);
      watch.expect();
    }
  } catch (error) {
    // What is stopped is cut off.
    if (!isErrno(error, 'ERR_STREAM_PREMATURE_CLOSE')) throw error;
  } finally {
    watch.rest();
  }
}

/** Of the pictures that are decoded, as ffmpeg tells it at first and at each change (since version 2). */
const sizeOf = (line: string) => /input from stream [^\]]*\] \[verbose\] w:(\d+ h:\d+) /.exec(line)?.[1];

/** Of something that should not end: how it did, as trouble. Nothing where it may go on at once. */
export function troubleOf(end: ReadingEnd, { stallMs, what }: { stallMs: number; what: string }): SourceTrouble | undefined {
  if (end.missing) return new SourceTrouble('failed', end.reason);
  if (end.resized || learnsItIsOld(end.reason)) return undefined;
  if (end.stalled) return new SourceTrouble('waiting', `${what} gave nothing for ${stallMs / 1000} s; it is being reached again`);
  return new SourceTrouble(needsAHand.test(end.reason) ? 'failed' : 'waiting', `${what}: ${withoutName(end.reason, what)}`);
}

/** ffmpeg names what it couldn't open in front of the reason, as the sentence does. */
function withoutName(reason: string, what: string): string {
  const [name] = /^\S+(?=: )/.exec(reason) ?? [];
  return name && what.endsWith(name.replace(/^file:/, '')) ? reason.slice(name.length + 2) : reason;
}

/** What no patience mends, though it is tried again all the same. */
const needsAHand =
  /401 Unauthorized|403 Forbidden|404 Not Found|Permission denied|Invalid data found|Protocol not found|Option .* not found|Unknown /i;

export const running = { state: 'running' } as const;
/** After what ended one session, the next one's first frame says that something was lost. */
export class Gap {
  #open = false;

  /** For the session that begins. */
  next(begun: Session['came']): () => boolean | undefined {
    let first = true;
    return () => {
      begun();
      const gap = first && this.#open;
      first = false;
      this.#open = true;
      return gap || undefined;
    };
  }
}
