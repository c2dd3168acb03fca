import type { Readable } from 'node:stream';

/** An empty piece first, once it is open. */
export async function* bytesUntilStopped(
  stream: Readable,
  signal: AbortSignal,
  opened?: Promise<unknown>,
): AsyncGenerator<Uint8Array> {
  const stop = () => stream.destroy(new Error('stopped'));
  signal.addEventListener('abort', stop);
  try {
    if (signal.aborted) stop();
    await opened;
    yield new Uint8Array();
    yield* stream as AsyncIterable<Buffer>;
  } catch (error) {
    // What is stopped is cut off.
    if (!signal.aborted) throw error;
  } finally {
    signal.removeEventListener('abort', stop);
    stream.destroy();
  }
}
