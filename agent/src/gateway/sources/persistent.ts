import { setTimeout as delay } from 'node:timers/promises';
import { type Backoff, backoffMs } from '../../core/backoff.js';
import { messageOf } from '../../errors.js';
import type { Captured, Outcome, Sink, Source, SourceState } from '../source.js';

/** Why a session is over, as the state that is shown until the next one begins. */
export class SourceTrouble extends Error {
  override readonly name = 'SourceTrouble';
  constructor(
    readonly state: 'waiting' | 'failed',
    reason: string,
  ) {
    super(reason);
  }
}

/** One connection, one run of a child, one reading of a file. */
export type Session = {
  sink: Sink;
  /** Aborted when the source is to stop. */
  signal: AbortSignal;
  /** Something was read: after the next failure the pauses begin anew, short. */
  came: () => void;
};
/** `again`: at once; `over`: never. A failure is thrown, and tried again after a pause. */
export type SessionEnd = 'again' | 'over';

/** Session after session, for ever, with pauses after failures. */
export class PersistentSource implements Source {
  readonly #stopping = new AbortController();
  #going: Promise<void> | undefined;

  constructor(
    private readonly session: (session: Session) => Promise<SessionEnd>,
    private readonly backoff: Backoff,
  ) {}

  start(sink: Sink): void {
    if (this.#going) return;
    sink.state({ state: 'starting' });
    this.#going = this.#go(sink);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#going;
  }

  async #go(sink: Sink): Promise<void> {
    const { signal } = this.#stopping;
    let failures = 0;
    const came = () => (failures = 0);
    while (!signal.aborted) {
      try {
        if ((await this.session({ sink, signal, came })) === 'over') return;
      } catch (error) {
        if (signal.aborted) return;
        sink.state(stateOf(error));
        await pause(backoffMs(failures++, this.backoff, Math.random()), signal);
      }
    }
  }
}

/** Until the time is over or the source is to stop. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
}

/** What is too early is tried again: the pauses grow to this. */
const longestBusyPauseMs = 1000;

/** Submits again while the runner is busy; `busy` only where the source is to stop first. */
export async function submitUntilTaken(sink: Sink, captured: Captured, signal: AbortSignal): Promise<Outcome> {
  for (let pauseMs = 50; !signal.aborted; pauseMs = Math.min(2 * pauseMs, longestBusyPauseMs)) {
    const outcome = await unlessStopped(sink.submit(captured), signal);
    if (outcome !== 'busy') return outcome;
    await pause(pauseMs, signal);
  }
  return 'busy';
}

/** What is being inferred may still come out when the source is to stop: a file need not be asked for twice. */
const stopGraceMs = 700;

/** A runner may take longer over a frame than a source has for its stop. */
export async function unlessStopped(submitted: Promise<Outcome>, signal: AbortSignal): Promise<Outcome> {
  const stopped = Promise.withResolvers<Outcome>();
  let timer: NodeJS.Timeout | undefined;
  const stop = () => (timer = setTimeout(() => stopped.resolve('busy'), stopGraceMs));
  signal.addEventListener('abort', stop);
  if (signal.aborted) stop();
  try {
    return await Promise.race([submitted, stopped.promise]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', stop);
  }
}

function stateOf(error: unknown): SourceState {
  if (error instanceof SourceTrouble) return { state: error.state, reason: error.message };
  return { state: 'failed', reason: messageOf(error) };
}
