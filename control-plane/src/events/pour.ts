import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { endFrame, type EndReason } from './event-frames.js';

/** Thrown into a stream to end it with a reason. */
export class StreamEnd extends Error {
  override readonly name = 'StreamEnd';
  constructor(readonly reason: EndReason) {
    super(reason);
  }
}

type Options = { slowAfterMs: number; signal: AbortSignal };

/** Writes frames as fast as the reader takes them: what waits for it is never more than one frame beyond the socket's own buffer. */
export async function pour(
  frames: AsyncIterable<string>,
  to: Writable,
  { slowAfterMs, signal }: Options,
): Promise<EndReason | 'gone'> {
  try {
    for await (const frame of frames) {
      if (to.destroyed) return 'gone';
      if (!to.write(frame)) await drained(to, slowAfterMs, signal);
    }
    throw signal.reason ?? new StreamEnd('failed');
  } catch (error) {
    if (to.destroyed) return 'gone';
    const reason = error instanceof StreamEnd ? error.reason : 'failed';
    to.end(endFrame(reason));
    // A reader that takes nothing would keep the connection for ever.
    if (reason === 'slow-reader') setTimeout(() => to.destroy(), slowAfterMs).unref();
    if (!(error instanceof StreamEnd)) throw error;
    return reason;
  }
}

async function drained(to: Writable, slowAfterMs: number, signal: AbortSignal): Promise<void> {
  const slow = AbortSignal.timeout(slowAfterMs);
  try {
    await once(to, 'drain', { signal: AbortSignal.any([slow, signal]) });
  } catch (error) {
    if (slow.aborted) throw new StreamEnd('slow-reader');
    throw signal.aborted ? signal.reason : error;
  }
}
