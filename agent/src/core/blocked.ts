import type { Blocked, SlotEffect, SlotState, Step } from './slot-state.js';

const atRest = { run: 0, deaths: [], steady: false, safe: false } as const;
/** The candidate serves, or is about to. */
const tookOver = ({ update }: SlotState) => update.state === 'staged' || update.state === 'probation';
const isOnItsWay = ({ update }: SlotState) => 'run' in update;

export const whyBlocked = ({ blocked = [] }: SlotState, digest: string | undefined): string | undefined =>
  blocked.find((each) => each.digest === digest)?.reason;

/** What the desired state says of blocked releases; the same state where that is nothing new. */
export function knowing(state: SlotState, blocked: readonly Blocked[]): SlotState {
  const { blocked: before = [], ...rest } = state;
  if (JSON.stringify(before) === JSON.stringify(blocked)) return state;
  return blocked.length === 0 ? rest : { ...rest, blocked };
}

/**
 * A blocked release that serves goes on until what takes its place does; it is never started again, and nothing falls back to it.
 * With nothing on the way the slot stops, and its clients are told why.
 */
export function withoutBlocked(step: Step): Step {
  if ('refused' in step) return step;
  const { effects } = step;
  const state = whyBlocked(step.state, step.state.previous?.digest) === undefined ? step.state : forgetting(step.state);
  const why = whyBlocked(state, state.committed?.digest);
  if (why === undefined) return { state, effects };
  const starts = effects.some((effect) => effect.type === 'serve');
  if (isOnItsWay(state) && !tookOver(state) && !starts) return { state, effects };
  const kept = effects.flatMap((effect) => effectWithout(effect));
  const goes = tookOver(state) || kept.some((effect) => effect.type === 'stop-runner');
  const halted: SlotState = { ...state, committed: undefined, previous: undefined, serving: atRest, halted: why };
  return { state: halted, effects: goes ? kept : [...kept, { type: 'stop-runner', why }] };
}

const forgetting = (state: SlotState): SlotState => ({ ...state, previous: undefined });

function effectWithout(effect: SlotEffect): SlotEffect[] {
  if (effect.type === 'serve') return [];
  return effect.type === 'report' ? [{ ...effect, committed: undefined }] : [effect];
}
