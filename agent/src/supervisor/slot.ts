import type { SlotName } from '@flotilla/protocol/device';
import type { SlotEffect, SlotEvent, SlotState } from '../core/slot-state.js';
import { reduceUpdate } from '../core/update.js';
import { messageOf } from '../errors.js';
import type { Journal } from './journal.js';
import type { Log } from './runner-process.js';
import { type EffectHandlers, failureOf } from './slot-handlers.js';

/** These lead towards a candidate: not begun unless the journal knows of it. */
const forward = new Set<SlotEffect['type']>(['resolve', 'download', 'preflight', 'await-activation', 'activate']);
type SlotParts = {
  slot: SlotName;
  state: SlotState;
  journal: Pick<Journal, 'save'>;
  log: Log;
  onJournalFailure: (message: string) => void;
  onState?: ((state: SlotState) => void) | undefined;
};

/** One slot: events are reduced one after another, the state is saved, then acted on. */
export class Slot {
  readonly #parts: SlotParts;
  #handlers: EffectHandlers | undefined;
  #state: SlotState;
  readonly #events: SlotEvent[] = [];
  #reducing = false;
  #closed = false;
  #journalFails = false;
  #candidate = new AbortController();

  constructor(parts: SlotParts) {
    this.#parts = parts;
    this.#state = parts.state;
  }

  get state(): SlotState {
    return this.#state;
  }

  start(handlers: EffectHandlers, boots: number): void {
    this.#handlers = handlers;
    this.dispatch({ type: 'booted', boots });
  }

  dispatch(event: SlotEvent): void {
    if (this.#closed) return;
    this.#events.push(event);
    if (this.#reducing) return;
    this.#reducing = true;
    try {
      for (let next = this.#events.shift(); next; next = this.#events.shift()) this.#take(next);
    } finally {
      this.#reducing = false;
    }
  }

  /** Nothing is done any more; the next start goes on from here. */
  close(): void {
    this.dispatch({ type: 'shutdown' });
    this.#closed = true;
    this.#candidate.abort(new Error('the agent is stopping'));
  }

  #take(event: SlotEvent): void {
    const { slot, log } = this.#parts;
    const step = reduceUpdate(this.#state, event);
    if ('refused' in step) return log.debug({ slot }, step.refused);
    const moved = step.state !== this.#state;
    this.#state = step.state;
    const saved = !moved || this.#save();
    if (moved) this.#parts.onState?.(step.state);
    for (const effect of step.effects) this.#act(effect, saved);
  }

  /** A disk that takes nothing must not end inference: what serves goes on, and only what is new has to wait. */
  #save(): boolean {
    try {
      this.#parts.journal.save(this.#state);
      this.#journalFails = false;
      return true;
    } catch (error) {
      const message = `the journal of slot "${this.#parts.slot}" cannot be written: ${messageOf(error)}; no update can begin until it can`;
      if (!this.#journalFails) this.#parts.onJournalFailure(message);
      this.#journalFails = true;
      return false;
    }
  }

  #act(effect: SlotEffect, saved: boolean): void {
    if (effect.type === 'cancel') {
      this.#candidate.abort(new Error('another deployment took its place'));
      this.#candidate = new AbortController();
    } else if (!saved && forward.has(effect.type) && 'run' in effect) {
      this.#events.push({ type: 'failed', run: effect.run, failure: 'space', reason: 'the journal cannot be written' });
    } else void this.#perform(effect, this.#candidate.signal);
  }

  async #perform(effect: SlotEffect, signal: AbortSignal): Promise<void> {
    const { slot, log } = this.#parts;
    try {
      const handle = this.#handlers?.[effect.type] as (e: SlotEffect, s: AbortSignal) => Promise<SlotEvent | void>;
      const result = await handle(effect, signal);
      if (result) this.dispatch(result);
    } catch (error) {
      if (signal.aborted) return;
      log.warn({ slot, effect: effect.type, err: error }, `${effect.type} failed: ${messageOf(error)}`);
      const failed = failureOf(effect, error);
      if (failed) this.dispatch(failed);
    }
  }
}
