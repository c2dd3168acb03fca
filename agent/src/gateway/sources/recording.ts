import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RecordingSource } from '@flotilla/protocol/device';
import { messageOf } from '../../errors.js';
import type { Captured, Source } from '../source.js';
import { pause, PersistentSource, type Session, type SessionEnd, SourceTrouble, submitUntilTaken } from './persistent.js';
import { PpmCutter } from './ppm.js';
import { type RecordedFrame, recordedFrames } from './recording-index.js';

const backoff = { baseMs: 1000, capMs: 10_000 };
/** Between two frames: a night in which nothing was recorded is not waited for. */
const longestPauseMs = 10_000;

/** What a gateway recorded, in its order and at its own pace; the names tell when it was taken first. */
export function recordingSource(config: RecordingSource): Source {
  let rounds = 0;
  return new PersistentSource(async (session) => {
    const frames = await replay(config, session, rounds > 0);
    if (session.signal.aborted) return 'over';
    if (frames === 0)
      throw new SourceTrouble('waiting', `${config.recording} holds no recording yet (index.jsonl with its files)`);
    rounds += 1;
    return atTheEnd(config, session);
  }, backoff);
}

function atTheEnd({ recording, then }: RecordingSource, { sink }: Session): SessionEnd {
  if (then === 'repeat') return 'again';
  sink.state({ state: 'waiting', reason: `${recording} is through, and is not read again (then: stop)` });
  return 'over';
}

/** Returns how many frames there were. */
async function replay(config: RecordingSource, { sink, signal, came }: Session, isLater: boolean): Promise<number> {
  let count = 0;
  let before: number | undefined;
  let due = performance.now();
  for await (const recorded of recordedFrames(config.recording)) {
    const taken = Date.parse(recorded.capturedAt);
    due += Math.min(longestPauseMs, Math.max(0, taken - (before ?? taken)) / config.speed);
    before = taken;
    const captured = await read(config.recording, recorded);
    if ('lost' in captured) {
      // What the recorder let go of for its bounds is nobody's loss.
      if (captured.lost) sink.lost({ reason: captured.lost, name: recorded.file });
      continue;
    }
    if (config.pace === 'own') await pause(Math.max(0, due - performance.now()), signal);
    if (signal.aborted) return count;
    came();
    sink.state({ state: 'running' });
    const gap = recorded.gap || (isLater && count === 0) || undefined;
    count += 1;
    const now = { ...captured, capturedAt: Date.now(), name: recorded.capturedAt, gap };
    if (config.pace === 'own') sink.offer(now);
    else await submitUntilTaken(sink, now, signal);
  }
  return count;
}

type ReadFrame = Pick<Captured, 'payload' | 'bytes'> | { lost: string | undefined };

async function read(folder: string, { file, payload }: RecordedFrame): Promise<ReadFrame> {
  const path = join(folder, file);
  try {
    const content = await readFile(path);
    return payload.kind === 'pixels' ? pixelsOf(path, content) : { payload, bytes: content };
  } catch (error) {
    const isGone = (error as NodeJS.ErrnoException).code === 'ENOENT';
    return { lost: isGone ? undefined : `${path} can not be read: ${messageOf(error)}` };
  }
}

function pixelsOf(path: string, content: Buffer): ReadFrame {
  const [picture] = new PpmCutter().push(content);
  if (!picture) return { lost: `${path} is cut off` };
  const { width, height, channels, pixels } = picture;
  return { payload: { kind: 'pixels', width, height, channels }, bytes: pixels };
}
