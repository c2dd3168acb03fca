import { setTimeout as delay } from 'node:timers/promises';
import { EventView } from '@flotilla/protocol';
import { z } from 'zod';
import { ApiError, type ApiClient } from './client.js';

type Frame = { id?: string; event: string; data: string };
const Skipped = z.object({ skipped: z.int() });
const reconnectMs = 1000;
/** Three keep-alives that did not come: whatever is between us has forgotten the connection. */
const silentMs = 45_000;

export const follow = (client: ApiClient, query: string, signal: AbortSignal) =>
  followed(client, `/api/v1/events/stream${query}`, EventView, signal);

/**
 * A log as it grows: each entry once, in order, also across lost connections and restarts of the control plane. Undefined
 * stands for "connected": whoever looks at something now misses nothing afterwards. `skipped`: told how many were left out.
 */
export async function* followed<T>(
  client: ApiClient,
  path: string,
  entry: z.ZodType<T>,
  signal: AbortSignal,
  skipped?: (count: number) => void,
): AsyncGenerator<T | undefined> {
  let last: string | undefined;
  while (!signal.aborted) {
    try {
      for await (const { id, event, data } of framesOf(client, path, last, signal)) {
        if (event === 'end') break;
        const connected = last === undefined && data === '';
        last = id ?? last;
        if (connected) yield undefined;
        else if (event === 'message' && data !== '') yield entry.parse(JSON.parse(data));
        else if (event === 'skipped') skipped?.(Skipped.parse(JSON.parse(data)).skipped);
      }
    } catch (error) {
      // The first connection fails at once; a later one is tried again.
      if (signal.aborted) return;
      if (last === undefined || (error instanceof ApiError && !['UNREACHABLE', 'INTERNAL'].includes(error.code))) throw error;
    }
    await delay(reconnectMs, undefined, { signal }).catch(() => undefined);
  }
}

async function* framesOf(client: ApiClient, path: string, last: string | undefined, signal: AbortSignal): AsyncGenerator<Frame> {
  const silence = new AbortController();
  const timer = setTimeout(() => silence.abort(), silentMs);
  try {
    const headers = last === undefined ? {} : { 'last-event-id': last };
    const body = await client.stream(path, headers, AbortSignal.any([signal, silence.signal]));
    let rest = '';
    for await (const text of body) {
      timer.refresh();
      const blocks = (rest + text).split('\n\n');
      rest = blocks.pop() ?? '';
      for (const block of blocks) yield frameOf(block);
    }
  } catch (error) {
    if (error instanceof ApiError) throw error;
    throw new ApiError('UNREACHABLE', `the stream from ${client.url} was cut off`, { cause: error });
  } finally {
    clearTimeout(timer);
  }
}

function frameOf(block: string): Frame {
  const frame: Frame = { event: 'message', data: '' };
  for (const line of block.split('\n')) {
    const [, field, value = ''] = /^(\w+): ?(.*)$/.exec(line) ?? [];
    if (field === 'id') frame.id = value;
    if (field === 'event') frame.event = value;
    if (field === 'data') frame.data += value;
  }
  return frame;
}
