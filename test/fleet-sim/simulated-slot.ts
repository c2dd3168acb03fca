import type { Committed, Report, SlotState, Target } from '@flotilla/agent/core/slot-state';
import { asTold, freshSlot } from '@flotilla/agent/core/slot-state';
import { Slot } from '@flotilla/agent/supervisor/slot';
import type { EffectHandlers } from '@flotilla/agent/supervisor/slot-handlers';
import { untilAllowed } from '@flotilla/agent/supervisor/until-allowed';
import type { DesiredSlot, Digest, ReportedSlot, SlotName } from '@flotilla/protocol';
import { setTimeout as delay } from 'node:timers/promises';
import { seeded } from './random.js';
import type { Behaviour } from './simulated-model.js';

/** How long the simulated steps of an update take. */
export interface Pace {
  readonly downloadMs: number;
  readonly preflightMs: number;
  readonly activateMs: number;
  /** Between the runner's heartbeats while it is on probation. */
  readonly beatMs: number;
}
export const usualPace: Pace = { downloadMs: 0, preflightMs: 0, activateMs: 0, beatMs: 10 };

export interface SlotParts {
  readonly name: SlotName;
  readonly pace: Pace;
  readonly behaviourOf: (digest: Digest) => Behaviour;
  readonly report: (report: Report) => void;
  /** Seconds of the device's own clock. */
  readonly now: () => number;
  readonly log: ConstructorParameters<typeof Slot>[0]['log'];
  readonly seed: number;
}

const variant = 'model.int8.onnx';
/** So many inferences go by between two heartbeats of a runner on probation. */
const perBeat = 20;

/** The agent's update machine over a runner that only pretends. */
export class SimulatedSlot {
  readonly #parts: SlotParts;
  readonly #slot: Slot;
  readonly #random: () => number;
  readonly #known = new Set<Digest>();
  #serving: Committed | undefined;
  #beat: NodeJS.Timeout | undefined;

  constructor(parts: SlotParts) {
    this.#parts = parts;
    this.#random = seeded(parts.seed);
    const { name: slot, log } = parts;
    this.#slot = new Slot({ slot, state: freshSlot, journal: { save: () => {} }, log, onJournalFailure: () => {} });
    this.#slot.start(this.#handlers(), 1);
  }

  /** What serves now. */
  get serving(): Committed | undefined {
    return this.#serving;
  }

  want(desired: DesiredSlot | undefined): void {
    if (!desired) return this.#slot.dispatch({ type: 'desired' });
    const { deployment, manifestDigest: digest, release, probation, activate } = desired;
    this.#slot.dispatch({ type: 'desired', target: { deployment, digest, release, probation, ...(activate && { activate }) } });
  }

  reported(): ReportedSlot {
    const { update, committed }: SlotState = this.#slot.state;
    const deployment = update.state === 'idle' ? undefined : update.target.deployment;
    const digest = this.#serving?.digest;
    return { slot: this.#parts.name, deployment, digest, committed: committed?.digest, state: asTold(update.state) };
  }

  stop(): void {
    clearInterval(this.#beat);
    this.#slot.close();
  }

  #handlers(): EffectHandlers {
    const { pace, now } = this.#parts;
    return {
      resolve: async ({ run }) => ({ type: 'resolved', run, variants: [variant] }),
      download: async ({ run, target }, signal) => {
        if (!this.#known.has(target.digest)) {
          this.#slot.dispatch({ type: 'downloading', run });
          await takes(pace.downloadMs, signal);
        }
        return { type: 'downloaded', run };
      },
      preflight: async ({ run, target }, signal) => {
        if (!this.#known.has(target.digest)) {
          this.#slot.dispatch({ type: 'preflighting', run });
          await takes(pace.preflightMs, signal);
        }
        this.#known.add(target.digest);
        return { type: 'preflighted', run, variant };
      },
      'await-activation': async ({ run, target }, signal) => {
        await untilAllowed(target.activate, Date.now, signal);
        return { type: 'allowed', run };
      },
      activate: async ({ run, target }, signal) => {
        await takes(pace.activateMs, signal);
        this.#serving = releaseOf(target);
        this.#proveFrom(run, target.digest);
        return { type: 'activated', run, at: now() };
      },
      serve: async ({ run, release }) => {
        this.#serving = release;
        return { type: 'served', run, at: now() };
      },
      'stop-runner': async () => {
        this.#serving = undefined;
        return { type: 'stopped' };
      },
      report: async (report) => this.#parts.report(report),
      alarm: async () => undefined,
      'clear-boots': async () => undefined,
      collect: async () => undefined,
      cancel: async () => undefined,
    };
  }

  /** Heartbeats of a runner on probation, until the machine has judged it. */
  #proveFrom(run: number, digest: Digest): void {
    const { errors: share } = this.#parts.behaviourOf(digest);
    let ok = 0;
    let errors = 0;
    clearInterval(this.#beat);
    this.#beat = setInterval(() => {
      for (let i = 0; i < perBeat; i++)
        if (this.#random() < share) errors++;
        else ok++;
      const consecutiveErrors = share >= 1 ? errors : 0;
      this.#slot.dispatch({ type: 'heartbeat', run, at: this.#parts.now(), ok, errors, consecutiveErrors });
      const { update } = this.#slot.state;
      if (update.state !== 'staged' && update.state !== 'probation') clearInterval(this.#beat);
    }, this.#parts.pace.beatMs);
  }
}

const takes = (ms: number, signal: AbortSignal) => (ms > 0 ? delay(ms, undefined, { signal }) : Promise.resolve());
const releaseOf = ({ deployment, digest, release }: Target): Committed => ({ deployment, digest, release, variant });
