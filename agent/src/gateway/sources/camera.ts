import { basename } from 'node:path';
import type { CameraSource } from '@flotilla/protocol/device';
import type { Sink, Source } from '../source.js';
import { cameraArguments, isPassedThrough } from './ffmpeg-arguments.js';
import { Gap, type Reading, readFfmpeg, running, troubleOf } from './ffmpeg-reading.js';
import { JpegSplitter, type SplitJpeg } from './jpeg-splitter.js';
import { PersistentSource, type Session } from './persistent.js';
import { type CutPicture, PpmCutter } from './ppm.js';
import { SpanGate } from './span-gate.js';

export type FfmpegTools = { ffmpeg?: string | undefined };

/** Short pauses: a camera that was plugged in again should be seen at once. */
const backoff = { baseMs: 500, capMs: 5000 };

/** A V4L2 camera. Unplugged, it is waited for. */
export function cameraSource(config: CameraSource, { ffmpeg }: FfmpegTools = {}): Source {
  const what = `the camera ${config.camera}`;
  const stallMs = 1000 * Math.max(config.stallS, 3 / (config.framesPerSecond ?? Infinity));
  const gap = new Gap();
  let count = 0;
  const begin = ({ sink, came }: Session) => {
    const gapBefore = gap.next(came);
    const offer: Offer = (captured) => {
      sink.state(running);
      sink.offer({ ...captured, name: `${basename(config.camera)}#${(count += 1)}`, gap: gapBefore() });
    };
    return isPassedThrough(config) ? jpegs(config, offer) : pictures(offer);
  };
  return new PersistentSource(async (session) => {
    const reading = { ...begin(session), args: () => cameraArguments(config), program: ffmpeg, stallMs } as Reading<unknown>;
    const trouble = troubleOf(await readFfmpeg(reading, session.signal), { stallMs, what });
    if (trouble) throw trouble;
    return 'again';
  }, backoff);
}

type Offer = Sink['offer'];

function pictures(offer: Offer): Pick<Reading<CutPicture>, 'cut' | 'onPiece'> {
  const cutter = new PpmCutter();
  return { cut: (chunk) => cutter.push(chunk), onPiece: (picture) => offer(capturedOf(picture)) };
}

function jpegs({ framesPerSecond }: CameraSource, offer: Offer): Pick<Reading<SplitJpeg>, 'cut' | 'onPiece'> {
  const splitter = new JpegSplitter();
  const gate = new SpanGate(framesPerSecond);
  return {
    cut: (chunk) => splitter.push(chunk),
    onPiece: ({ jpeg, began }) => {
      if (gate.takes(began)) offer({ payload: { kind: 'encoded' }, bytes: jpeg, capturedAt: began });
    },
  };
}

export function capturedOf({ width, height, channels, pixels, began }: CutPicture) {
  return { payload: { kind: 'pixels' as const, width, height, channels }, bytes: pixels, capturedAt: began };
}
