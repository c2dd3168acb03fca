import { describe, expect, it } from 'vitest';
import {
  activated,
  beats,
  booted,
  commits,
  dies,
  downloaded,
  fails,
  type Move,
  play,
  preflighted,
  preflighting,
  resolved,
  servingIsUp,
  toProbation,
  want,
} from './slot-play.js';
import type { SlotEvent } from './slot-state.js';

const with_ =
  (move: Move, more: object): Move =>
  (state) =>
    ({ ...move(state), ...more }) as SlotEvent;
const compiling: Move = (s) => ({ type: 'compiling', run: 'run' in s.update ? s.update.run : 0, reason: 'TensorRT' });
const reports = (before: readonly Move[], moves: readonly Move[]) =>
  play(before, moves).effects.flatMap((e) =>
    e.type === 'report' ? [`${e.state}${e.reason === undefined ? '' : `: ${e.reason}`}`] : [],
  );

describe('what an operator should know of a step is reported with it', () => {
  it('a sequential swap beforehand, and its gap afterwards', () => {
    const moves = [with_(preflighted, { note: 'needs 310 MB' }), with_(activated, { note: 'nothing served for 2 s' }), beats(20)];
    expect(reports([...commits('a'), want('b'), resolved, downloaded], moves)).toEqual([
      'staged: needs 310 MB',
      'probation: nothing served for 2 s',
      'committed',
    ]);
  });

  it('the gap of a roll back, with what it was rolled back for', () => {
    const moves = [dies(), with_(servingIsUp, { note: 'nothing served for 2 s' })];
    const told = reports([...commits('a'), want('b'), ...toProbation], moves);
    expect(told.at(-1)).toMatch(/^rolled-back: .+; nothing served for 2 s$/);
  });

  it('an engine that compiles, within preflight', () => {
    const before = [want('a'), resolved, downloaded];
    expect(reports(before, [preflighting, compiling, preflighted])).toEqual(['preflight', 'compiling: TensorRT', 'staged']);
    expect(play(before, [compiling]).told).toEqual(['(cannot take compiling while verified)']);
    expect(reports([...before, preflighting, compiling], [fails('load')])).toEqual(['failed: because']);
    expect(reports([...before, preflighting, compiling], [booted()])).toEqual([
      'offered: the device or its supervisor went down during compiling',
    ]);
  });
});
