import { setTimeout as delay } from 'node:timers/promises';
import type { RolloutView } from '@flotilla/protocol';
import { follow } from './event-stream.js';
import type { FlotillaClient } from './flotilla-client.js';

/** Counts and evidence grow without an event. */
const lookEveryMs = 2000;

/** A rollout now, after each of its events at once, and every two seconds. */
export async function* changesOf(client: FlotillaClient, id: string): AsyncGenerator<RolloutView> {
  const end = new AbortController();
  const events = follow(client, { rollout: id }, end.signal);
  let next: ReturnType<typeof events.next> | undefined;
  try {
    for (;;) {
      yield await client.rollouts.show(id);
      next ??= events.next();
      // A failure of the stream is the watcher's; a while without events is none.
      const done = await Promise.race([next.then(() => true), delay(lookEveryMs, false, { ref: false })]);
      if (done) next = undefined;
    }
  } finally {
    end.abort();
    await next?.catch(() => undefined);
  }
}
