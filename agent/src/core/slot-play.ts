import type { Activate, DeploymentId, Digest, FailureClass } from '@flotilla/protocol/device';
import type { Death } from './death.js';
import { freshSlot, type SlotEffect, type SlotEvent, type SlotState, type Target } from './slot-state.js';
import { reduceUpdate } from './update.js';

/** For tests: a slot's story as a list of moves, told back in words. */
export type Move = (state: SlotState) => SlotEvent;

const digest = (letter: string) => letter.repeat(64) as Digest;
const deployment = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}` as DeploymentId;
const probation = { inferences: 20, timeoutS: 300 };
/** Release `a` has a digest of a's; `n` tells deployments of it apart. */
export const target = (letter: string, n = letter.charCodeAt(0)): Target => ({
  deployment: deployment(n),
  digest: digest(letter),
  release: `${letter}@1.0.0`,
  probation,
});

const candidate = ({ update }: SlotState) => ('run' in update ? update.run : 0);
const serving = ({ serving: { run } }: SlotState) => run;
export const want =
  (letter: string, n?: number): Move =>
  () => ({ type: 'desired', target: target(letter, n) });
export const wantNothing: Move = () => ({ type: 'desired' });
/** The same, and a release that was taken away. */
export const blocking =
  (letter: string, move: Move = wantNothing): Move =>
  (s) =>
    ({ ...move(s), blocked: [{ digest: digest(letter), reason: `${letter} bites` }] }) as SlotEvent;
/** The same deployment at another time. */
export const wantAt =
  (letter: string, activate?: Activate): Move =>
  () => ({ type: 'desired', target: { ...target(letter), activate } });
export const allowed: Move = (s) => ({ type: 'allowed', run: candidate(s) });
export const booted =
  (boots = 1): Move =>
  () => ({ type: 'booted', boots });
export const shutdown: Move = () => ({ type: 'shutdown' });
export const stopped: Move = () => ({ type: 'stopped' });
export const resolved: Move = (s) => ({ type: 'resolved', run: candidate(s), variants: ['int8.onnx', 'fp32.onnx'] });
export const downloading: Move = (s) => ({ type: 'downloading', run: candidate(s) });
export const waiting: Move = (s) => ({ type: 'waiting', run: candidate(s), reason: 'no route' });
export const downloaded: Move = (s) => ({ type: 'downloaded', run: candidate(s) });
export const preflighting: Move = (s) => ({ type: 'preflighting', run: candidate(s) });
export const preflighted: Move = (s) => ({ type: 'preflighted', run: candidate(s), variant: 'int8.onnx' });
export const activated: Move = (s) => ({ type: 'activated', run: candidate(s), at: 1000 });
export const fails =
  (failure: FailureClass, type: 'failed' | 'rejected' | 'swap-failed' = 'failed'): Move =>
  (s) => ({ type, run: candidate(s), failure, reason: 'because' });
export const beats =
  (ok: number, errors = 0, consecutiveErrors = 0, at = 1001): Move =>
  (s) => ({ type: 'heartbeat', run: candidate(s) || serving(s), at, ok, errors, consecutiveErrors });
const crash: Death = { failure: 'crash', outside: false, reason: 'SIGSEGV' };
export const dies =
  (death: Partial<Death> = {}, at = 1002): Move =>
  (s) => ({ type: 'died', run: candidate(s), at, death: { ...crash, ...death } });
export const servingDies =
  (at: number, death: Partial<Death> = {}): Move =>
  (s) => ({ type: 'died', run: serving(s), at, death: { ...crash, ...death } });
export const servingIsUp: Move = (s) => ({ type: 'served', run: serving(s), at: 1003 });
export const servingBeats =
  (ok: number, at = 1004): Move =>
  (s) => ({ type: 'heartbeat', run: serving(s), at, ok, errors: 0, consecutiveErrors: 0 });

export const toProbation = [resolved, downloading, downloaded, preflighting, preflighted, activated];
export const commits = (letter: string, n?: number) => [want(letter, n), ...toProbation, beats(20)];

/** Folds moves; a refused one leaves the state as it was. Effects of the last `moves` only. */
export function play(before: readonly Move[], moves: readonly Move[], from: SlotState = freshSlot) {
  const { state } = fold(from, before);
  return fold(state, moves);
}

function fold(from: SlotState, moves: readonly Move[]) {
  let state = from;
  const told: string[] = [];
  const effects: SlotEffect[] = [];
  for (const move of moves) {
    const step = reduceUpdate(state, move(state));
    if ('refused' in step) told.push(`(${step.refused})`);
    else {
      state = step.state;
      effects.push(...step.effects);
      told.push(...step.effects.map(inWords));
    }
  }
  return { state, told, effects };
}

function inWords(effect: SlotEffect): string {
  switch (effect.type) {
    case 'report':
      return [effect.digest[0], 'is', effect.state, effect.failure].filter(Boolean).join(' ');
    case 'serve':
      return `serve ${effect.release.digest[0]}${effect.wait.maxS > 0 ? ` in ${effect.wait.minS} to ${effect.wait.maxS} s` : ''}`;
    case 'resolve':
    case 'download':
    case 'preflight':
    case 'activate':
    case 'await-activation':
      return `${effect.type} ${effect.target.digest[0]}`;
    case 'alarm':
      return `alarm ${effect.name}`;
    case 'stop-runner':
      return effect.why === undefined ? effect.type : `${effect.type}: ${effect.why}`;
    case 'cancel':
    case 'clear-boots':
    case 'collect':
      return effect.type;
  }
}
