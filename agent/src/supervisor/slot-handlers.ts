import { isArtifactFailure } from '@flotilla/protocol/device';
import type { Death } from '../core/death.js';
import { UpdateFailure } from '../core/failure.js';
import type { Committed, Report, SlotEffect, SlotEvent, Target, Wait } from '../core/slot-state.js';
import { type Capability, compatibleVariants } from '../core/variant.js';
import { isErrno, messageOf } from '../errors.js';
import type { Journal } from './journal.js';
import type { ReleaseFetch } from './release-fetch.js';
import { asUpdateFailure, type SlotRunners } from './slot-runners.js';
import { untilAllowed } from './until-allowed.js';
import type { VariantChoice } from './variant-choice.js';

/** One handler per effect; each may run twice, since a power cut may repeat it. `signal`: the candidate was called off. */
export type EffectHandlers = {
  [T in SlotEffect['type']]: (effect: SlotEffect & { type: T }, signal: AbortSignal) => Promise<SlotEvent | void>;
};
type HandlerParts = {
  releases: ReleaseFetch;
  choice: VariantChoice;
  runners: SlotRunners;
  journal: Journal;
  capability: Capability;
  dispatch: (event: SlotEvent) => void;
  report: (report: Report) => void;
  alarm: (name: string, message: string) => void;
  random: () => number;
  /** Seconds of a clock that never goes back. */
  now: () => number;
  /** Milliseconds since 1970, as far as this device can know them. */
  clock: () => number;
};

export function slotHandlers(parts: HandlerParts): EffectHandlers {
  const { releases, choice, runners, journal, dispatch, now } = parts;
  return {
    resolve: async ({ run, target }, signal) => resolve(parts, run, target, signal),
    download: async ({ run, target, variants }, signal) => {
      await releases.files(target.digest, variants, {
        signal,
        onWaiting: (reason) => dispatch({ type: 'waiting', run, reason }),
        onReceiving: () => dispatch({ type: 'downloading', run }),
      });
      return { type: 'downloaded', run };
    },
    preflight: async ({ run, target, variants }, signal) => {
      const known = choice.remembered(target.digest, variants);
      if (known !== undefined) {
        const { why: note } = await runners.plan(releaseOf(target, known));
        return { type: 'preflighted', run, variant: known, note };
      }
      // Beside the incumbent there is no room: the candidate proves itself in its own runner, once the incumbent has gone.
      const variant = variants[0]!;
      const { sequential, why } = await runners.plan(releaseOf(target, variant));
      if (sequential) return { type: 'preflighted', run, variant, note: why };
      dispatch({ type: 'preflighting', run });
      const measure = (v: string) =>
        runners.preflight(releaseOf(target, v), signal, (reason) => dispatch({ type: 'compiling', run, reason }));
      return { type: 'preflighted', run, variant: await choice.choose(target.digest, variants, measure) };
    },
    'await-activation': async ({ run, target }, signal) => {
      await untilAllowed(target.activate, parts.clock, signal);
      return { type: 'allowed', run };
    },
    activate: async ({ run, target, variant }, signal) => {
      const unproven = choice.remembered(target.digest, [variant]) === undefined;
      const activation = await runners.activate(run, releaseOf(target, variant), signal, unproven);
      if (activation.type === 'activated') {
        if (activation.figures) choice.record(target.digest, variant, activation.figures);
        return { type: 'activated', run, at: now(), note: activation.note };
      }
      if (activation.type === 'failed') throw activation.error;
      const { failure, message } = asUpdateFailure(activation.error);
      return { type: 'swap-failed', run, failure, reason: message };
    },
    serve: async ({ run, release, wait }) => serve(parts, run, release, wait),
    'stop-runner': async ({ why }) => {
      await runners.stop(undefined, why);
      return { type: 'stopped' };
    },
    report: async (report) => parts.report(report),
    alarm: async ({ name, message }) => parts.alarm(name, message),
    'clear-boots': async () => journal.clearBoots(),
    collect: async () => {
      await releases.collect();
    },
    cancel: async () => undefined, // the loop itself: it owns the signal
  };
}

async function resolve(
  { releases, capability, choice }: HandlerParts,
  run: number,
  target: Target,
  signal: AbortSignal,
): Promise<SlotEvent> {
  const manifest = await releases.manifest(target.digest, { signal });
  const fit = compatibleVariants(manifest, capability);
  if ('rejected' in fit) return { type: 'rejected', run, failure: 'incompatible', reason: fit.rejected };
  const known = choice.remembered(target.digest, fit.variants);
  return { type: 'resolved', run, variants: known === undefined ? fit.variants : [known] };
}

async function serve(
  { runners, random, now }: HandlerParts,
  run: number,
  release: Committed,
  wait: Wait,
): Promise<SlotEvent | void> {
  const waitMs = (wait.minS + random() * (wait.maxS - wait.minS)) * 1000;
  try {
    const up = await runners.serve(run, release, { ms: waitMs, why: wait.why });
    return up && { type: 'served', run, at: now(), note: up.note };
  } catch (error) {
    return { type: 'died', run, at: now(), death: deathOf(error) };
  }
}

function deathOf(error: unknown): Death {
  const { failure, message } = asUpdateFailure(error);
  return { failure: isArtifactFailure(failure) ? failure : 'crash', outside: !isArtifactFailure(failure), reason: message };
}

const releaseOf = ({ deployment, digest, release }: Target, variant: string): Committed => ({
  deployment,
  digest,
  release,
  variant,
});

/** What a handler's error means for the update. Nothing, where the effect is not a step of one. */
export function failureOf(effect: SlotEffect, error: unknown): SlotEvent | undefined {
  if (!('run' in effect) || effect.type === 'serve') return undefined;
  const { failure, message } = isErrno(error, 'ENOSPC', 'EDQUOT', 'EROFS', 'EACCES', 'EIO')
    ? new UpdateFailure('space', `the disk does not take it: ${messageOf(error)}`)
    : asUpdateFailure(error);
  const type = effect.type === 'resolve' && failure === 'incompatible' ? 'rejected' : 'failed';
  return { type, run: effect.run, failure, reason: message };
}
