import type { Activate } from '@flotilla/protocol/device';
import { setTimeout as delay } from 'node:timers/promises';

/** A clock that is set, or a board that sleeps, must not be waited for longer than this. */
const lookAgainMs = 30_000;

/** Resolves while the span is open by the clock; rejects when the candidate is called off, or is to wait for another time. */
export async function untilAllowed(activate: Activate = {}, clock: () => number, signal: AbortSignal): Promise<void> {
  const { after = 0, before = Infinity, hold = false } = activate;
  for (;;) {
    signal.throwIfAborted();
    const now = clock();
    if (!hold && after <= now && now < before) return;
    const wait = hold || now >= before ? lookAgainMs : after - now;
    await delay(Math.min(wait, lookAgainMs), undefined, { signal, ref: false });
  }
}
