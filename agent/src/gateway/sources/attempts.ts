import { setTimeout as sleep } from 'node:timers/promises';
import { backoffMs, type Backoff } from '../../core/backoff.js';
import type { Captured, Outcome, Sink } from '../source.js';

const usual: Backoff = { baseMs: 500, capMs: 30_000 };
/** Full jitter may come to nothing; a peer that refuses at once must not be asked in a tight loop. */
const leastPauseMs = 100;
const busyPauseMs = 250;

/** Settles when its connection, file or device is at its end, and soon after `signal` aborts. `worked` says that the next one may come soon. */
export type Attempt = (signal: AbortSignal, worked: () => void) => Promise<void>;

/** Tries again for ever, with pauses that grow while nothing comes of it. */
export class Attempts {
  readonly #stopped = new AbortController();
  #loop: Promise<void> | undefined;

  constructor(
    private readonly attempt: Attempt,
    /** Told why the last attempt ended, before the pause. */
    private readonly ended: (reason: string) => void,
    private readonly backoff: Backoff = usual,
  ) {}

  start(): void {
    this.#loop ??= this.#tryOn();
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#loop;
  }

  async #tryOn(): Promise<void> {
    const { signal } = this.#stopped;
    for (let failures = 0; !signal.aborted; failures += 1) {
      let reason = '';
      try {
        await this.attempt(signal, () => (failures = 0));
      } catch (error) {
        reason = reasonOf(error);
      }
      if (signal.aborted) return;
      this.ended(reason);
      await pause(leastPauseMs + backoffMs(failures, this.backoff, Math.random()), signal);
    }
  }
}

/** Ends early, and without an error, when `signal` aborts. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined);
}

/** Of what must not be lost: offered again while nothing takes it. `busy` comes back only once `signal` aborts. */
export async function submitPatiently(sink: Sink, captured: Captured, signal: AbortSignal): Promise<Outcome> {
  for (;;) {
    const outcome = await sink.submit(captured);
    if (outcome !== 'busy' || signal.aborted) return outcome;
    await pause(busyPauseMs, signal);
  }
}

/** Some of Node's errors have a code and no message. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof AggregateError && error.message === '') return error.errors.map(reasonOf).join('; ');
  return error.message || String('code' in error ? error.code : error.name);
}
