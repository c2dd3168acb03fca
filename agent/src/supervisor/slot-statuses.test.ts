import { SlotName } from '@flotilla/protocol/device';
import { expect, it } from 'vitest';
import { recoveredSlot, type SlotState, type Update } from '../core/slot-state.js';
import { target } from '../core/slot-play.js';
import type { SlotStatus } from '../gateway-protocol.js';
import { SlotStatuses } from './slot-statuses.js';

const slot = SlotName.parse('inspection');
const committed = { ...target('a'), variant: 'int8.onnx' };
const quiet = recoveredSlot(committed);
const attempt = { target: target('b'), run: 2, interruptions: 0, signalDeaths: 0 };
const probation: Update = { ...attempt, state: 'probation', variant: 'int8.onnx', since: 0 };
const fallen = (state: 'rolling-back' | 'rolled-back'): Update => ({
  state,
  target: target('b'),
  failure: 'crash',
  reason: 'because',
});

function told(...states: SlotState[]): SlotStatus[] {
  const all: SlotStatus[] = [];
  const statuses = new SlotStatuses((status) => all.push(status));
  for (const state of states) statuses.take(slot, state);
  return all;
}

it('tells a swap, its way back, and safe mode apart', () => {
  const safe = { ...quiet, serving: { ...quiet.serving, safe: true } };
  const all = told(
    quiet,
    { ...quiet, update: probation },
    { ...quiet, update: fallen('rolling-back') },
    { ...quiet, update: fallen('rolled-back') },
    { ...safe, update: fallen('rolled-back') },
  );
  expect(all.map(({ state, release, swaps, rollBacks }) => [state, release, swaps, rollBacks])).toEqual([
    ['serving', 'a@1.0.0', 0, 0],
    ['serving', 'b@1.0.0', 1, 0],
    ['serving', 'a@1.0.0', 1, 1],
    ['serving', 'a@1.0.0', 1, 1],
    ['safe-mode', 'a@1.0.0', 1, 1],
  ]);
});

it('tells nothing twice, and no release where none is', () => {
  const empty: SlotState = { ...quiet, committed: undefined, update: { state: 'idle' } };
  expect(told(empty, empty)).toMatchObject([{ state: 'empty', swaps: 0 }]);
});

it('counts no swap that was there at the start', () => {
  expect(told({ ...quiet, update: probation })).toMatchObject([{ swaps: 0, release: 'b@1.0.0' }]);
});
