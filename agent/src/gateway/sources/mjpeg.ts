import { createReadStream } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { basename } from 'node:path';
import type { VideoSource } from '@flotilla/protocol/device';
import { isErrno } from '../../errors.js';
import { Gap, running } from './ffmpeg-reading.js';
import { withoutPassword } from './ffmpeg.js';
import { JpegSplitter } from './jpeg-splitter.js';
import { pause, type Session, type SessionEnd, SourceTrouble, submitUntilTaken } from './persistent.js';
import { SpanGate } from './span-gate.js';
import { StallWatch } from './stall-watch.js';

/** A file of concatenated JPEGs says nothing of its speed; this is what ffmpeg takes, too. */
const usualPerSecond = 25;

/** A `.mjpeg` file: its pictures as they are, decoded by nobody before the runner. */
export function mjpegFile(config: VideoSource) {
  const name = basename(config.video);
  return async ({ sink, signal, came }: Session): Promise<SessionEnd> => {
    const splitter = new JpegSplitter();
    const file = createReadStream(config.video, { signal });
    let count = 0;
    try {
      for await (const chunk of file) {
        for (const { jpeg, began } of splitter.push(chunk as Buffer)) {
          came();
          sink.state(running);
          const captured = {
            payload: { kind: 'encoded' as const },
            bytes: jpeg,
            capturedAt: began,
            name: `${name}#${(count += 1)}`,
          };
          if (config.pace === 'every') await submitUntilTaken(sink, captured, signal);
          else {
            sink.offer({ ...captured, capturedAt: Date.now() });
            await pause(1000 / (config.framesPerSecond ?? usualPerSecond), signal);
          }
        }
      }
    } catch (error) {
      if (signal.aborted) return 'over';
      throw fileTrouble(config.video, error);
    }
    if (count === 0) throw new SourceTrouble('failed', `${config.video} holds no JPEG`);
    if (config.then === 'repeat') return 'again';
    sink.state({ state: 'waiting', reason: `${config.video} is through, and is not read again (then: stop)` });
    return 'over';
  };
}

function fileTrouble(path: string, error: unknown): SourceTrouble {
  if (isErrno(error, 'ENOENT')) return new SourceTrouble('waiting', `there is no ${path} yet`);
  return new SourceTrouble('failed', `${path} can not be read: ${(error as Error).message}`);
}

/** `other`: the peer answers with something else than JPEG after JPEG, which is ffmpeg's to read. */
export function mjpegOverHttp(config: VideoSource) {
  const stallMs = 1000 * config.stallS;
  const what = withoutPassword(config.video);
  const gap = new Gap();
  let count = 0;
  return async (session: Session, url: string): Promise<SessionEnd | 'other'> => {
    const { sink, signal, came } = session;
    const ending = new AbortController();
    const silent = new SourceTrouble('waiting', `${what} gave nothing for ${config.stallS} s; it is being reached again`);
    const watch = new StallWatch(stallMs, () => ending.abort(silent));
    const gapBefore = gap.next(came);
    const gate = new SpanGate(config.framesPerSecond);
    watch.expect();
    try {
      const answer = await get(url, AbortSignal.any([signal, ending.signal]));
      if (!/^multipart\//i.test(answer.headers['content-type'] ?? '')) return 'other';
      const splitter = new JpegSplitter();
      for await (const chunk of answer) {
        watch.expect();
        for (const { jpeg, began } of splitter.push(chunk as Buffer)) {
          if (!gate.takes(began)) continue;
          sink.state(running);
          sink.offer({
            payload: { kind: 'encoded' },
            bytes: jpeg,
            capturedAt: began,
            name: `#${(count += 1)}`,
            gap: gapBefore(),
          });
        }
      }
    } catch (error) {
      if (ending.signal.aborted) throw silent;
      throw new SourceTrouble('waiting', `${what}: ${reasonOfHttp(error)}`);
    } finally {
      watch.rest();
      ending.abort();
    }
    throw new SourceTrouble('waiting', `${what} ended its stream; it is being reached again`);
  };
}

const reasonOfHttp = (error: unknown) =>
  withoutPassword(error instanceof Error ? error.message || String((error as NodeJS.ErrnoException).code) : String(error));

/** Name and password of the URL go as basic authentication; whoever wants another kind is left to ffmpeg. */
async function get(url: string, signal: AbortSignal): Promise<IncomingMessage> {
  const { request } = url.startsWith('https:')
    ? process.getBuiltinModule('node:https')
    : (await import('../../node-http.js')).http;
  return new Promise((resolve, reject) => {
    request(url, { signal, agent: false, headers: { accept: 'multipart/x-mixed-replace, */*' } })
      .once('response', resolve)
      .once('error', reject)
      .end();
  });
}
