import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import type { VideoSource } from '@flotilla/protocol/device';
import type { Source } from '../source.js';
import { capturedOf, type FfmpegTools } from './camera.js';
import { isLive, isUrl, videoArguments } from './ffmpeg-arguments.js';
import { Gap, type ReadingEnd, readFfmpeg, running, troubleOf } from './ffmpeg-reading.js';
import { withoutPassword } from './ffmpeg.js';
import { mjpegFile, mjpegOverHttp } from './mjpeg.js';
import { PersistentSource, type Session, type SessionEnd, SourceTrouble, submitUntilTaken } from './persistent.js';
import { PpmCutter } from './ppm.js';

const backoff = { baseMs: 500, capMs: 30_000 };

/** A file, or what a network camera streams. */
export function videoSource(config: VideoSource, { ffmpeg }: FfmpegTools = {}): Source {
  const scaled = config.width !== undefined || config.height !== undefined;
  if (!isUrl(config.video) && /\.mjpe?g$/i.test(config.video) && !scaled) return new PersistentSource(mjpegFile(config), backoff);
  if (!isLive(config.video)) return new PersistentSource(fileSession(config, ffmpeg), backoff);
  const stream = streamSession(config, ffmpeg);
  if (!/^https?:/.test(config.video) || scaled) return new PersistentSource(stream, backoff);
  const mjpeg = mjpegOverHttp(config);
  return new PersistentSource(async (session) => {
    const end = await mjpeg(session, await withCredentials(config));
    return end === 'other' ? stream(session) : end;
  }, backoff);
}

/** Live: it is never held up, and reached again for ever. */
function streamSession(config: VideoSource, program: string | undefined) {
  const stallMs = 1000 * Math.max(config.stallS, 3 / (config.framesPerSecond ?? Infinity));
  const what = withoutPassword(config.video);
  const gap = new Gap();
  let count = 0;
  return async ({ sink, signal, came }: Session): Promise<SessionEnd> => {
    const url = await withCredentials(config);
    const cutter = new PpmCutter();
    const gapBefore = gap.next(came);
    const end = await readFfmpeg(
      {
        args: () => videoArguments(config, url),
        program,
        stallMs,
        endsAtNewSize: config.width === undefined || config.height === undefined,
        cut: (chunk) => cutter.push(chunk),
        onPiece: (picture) => {
          sink.state(running);
          sink.offer({ ...capturedOf(picture), name: `#${(count += 1)}`, gap: gapBefore() });
        },
      },
      signal,
    );
    const trouble = troubleOf(end, { stallMs, what });
    if (trouble) throw trouble;
    return 'again';
  };
}

/** With a beginning and an end. `every` goes on where it was, should ffmpeg be lost on the way. */
function fileSession(config: VideoSource, program: string | undefined) {
  const stallMs = 1000 * config.stallS;
  const what = withoutPassword(config.video);
  const name = basename(what);
  let through = 0;
  return async ({ sink, signal, came }: Session): Promise<SessionEnd> => {
    const url = await withCredentials(config);
    const cutter = new PpmCutter();
    let seen = 0;
    const end = await readFfmpeg(
      {
        args: () => videoArguments(config, url),
        program,
        stallMs,
        cut: (chunk) => cutter.push(chunk),
        onPiece: async (picture) => {
          if (++seen <= through) return;
          came();
          sink.state(running);
          const captured = { ...capturedOf(picture), name: `${name}#${seen}` };
          if (config.pace === 'own') sink.offer(captured);
          else if ((await submitUntilTaken(sink, captured, signal)) === 'busy') return;
          if (config.pace === 'every') through = seen;
        },
      },
      signal,
    );
    if (signal.aborted) return 'over';
    const cutShort = end.stalled || end.reason.includes('was ended by');
    if (end.missing || seen === 0 || cutShort) return again(troubleOf(end, { stallMs, what }) ?? undefined, end, what);
    through = 0;
    if (config.then === 'repeat') return 'again';
    sink.state({ state: 'waiting', reason: atItsEnd(what, end) });
    return 'over';
  };
}

function again(trouble: SourceTrouble | undefined, end: ReadingEnd, what: string): SessionEnd {
  if (end.well) throw new SourceTrouble('failed', `${what} holds no picture`);
  if (trouble) throw trouble;
  return 'again';
}

const atItsEnd = (what: string, end: ReadingEnd) =>
  end.well ? `${what} is through, and is not read again (then: stop)` : `${what} ended before its end: ${end.reason}`;

/** The password stands in a file of its own, never in the configuration. */
async function withCredentials({ video, username, passwordFile }: VideoSource): Promise<string> {
  if (username === undefined || !isUrl(video)) return video;
  const url = new URL(video);
  url.username = encodeURIComponent(username);
  if (passwordFile !== undefined) url.password = encodeURIComponent(await passwordIn(passwordFile));
  return url.href;
}

async function passwordIn(file: string): Promise<string> {
  try {
    return (await readFile(file, 'utf8')).trim();
  } catch (cause) {
    throw new SourceTrouble('failed', `the password can not be read from ${file}: ${(cause as Error).message}`);
  }
}
