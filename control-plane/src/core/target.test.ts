import { FailureClass, UpdateState, isArtifactFailure } from '@flotilla/protocol';
import { describe, expect, it } from 'vitest';
import { incompatibility } from './compatibility.js';
import { targetStateOf } from './target.js';

describe('a report', () => {
  it.each<[string, Parameters<typeof targetStateOf>[1], string | undefined]>([
    ['of a commit with the running digest is success', { state: 'committed', committed: 'd' }, 'committed'],
    ['of a commit of something else is none', { state: 'committed', committed: 'other' }, undefined],
    ['of an unproven commit is not decided', { state: 'committed-unproven', committed: 'd' }, 'unproven'],
    ['of an unproven commit of something else is nothing', { state: 'committed-unproven', committed: 'other' }, undefined],
    ['of a golden failure speaks about the release', { state: 'failed', failure: 'golden' }, 'failed-artifact'],
    ['of a roll back after a crash too', { state: 'rolled-back', failure: 'crash' }, 'failed-artifact'],
    ['of a broken download speaks about the place', { state: 'failed', failure: 'transport' }, 'failed-place'],
    ['of a failure without a class is never held against the release', { state: 'failed' }, 'failed-place'],
    ['of a refusal is a refusal', { state: 'rejected' }, 'rejected'],
    ['of an empty slot says nothing', { state: 'idle' }, undefined],
  ])('%s', (_name, report, expected) => expect(targetStateOf('d', report)).toBe(expected));

  it('on the way is open', () => {
    const ends = new Set<UpdateState>(['committed', 'committed-unproven', 'failed', 'rolled-back', 'rejected', 'idle']);
    for (const state of UpdateState.options.filter((s) => !ends.has(s))) expect(targetStateOf('d', { state })).toBe('open');
  });
  it('knows every failure class', () => {
    for (const failure of FailureClass.options) {
      expect(targetStateOf('d', { state: 'failed', failure })).toBe(
        isArtifactFailure(failure) ? 'failed-artifact' : 'failed-place',
      );
    }
  });
});

describe('compatibility', () => {
  const requiring = (requires: object) => ({ model: 'm', version: '2.0.0', requires }) as Parameters<typeof incompatibility>[0];
  const manifest = (agent?: string) => requiring(agent === undefined ? {} : { agent });
  const satisfies = (version: string, range: string) => version === range;
  it('has nothing against a release that asks for nothing', () =>
    expect(incompatibility(manifest(), { agent: null, runs: 'm@1.0.0' }, satisfies)).toBeUndefined());
  it('accepts a fitting agent', () =>
    expect(incompatibility(manifest('1.0.0'), { agent: '1.0.0', runs: undefined }, satisfies)).toBeUndefined());
  it('names an agent that is too old', () =>
    expect(incompatibility(manifest('2.0.0'), { agent: '1.0.0', runs: undefined }, satisfies)).toBe(
      'agent 1.0.0 does not satisfy 2.0.0',
    ));
  it('does not guess at an unknown one', () =>
    expect(incompatibility(manifest('2.0.0'), { agent: null, runs: undefined }, satisfies)).toMatch(/never said its version/));
  it.each([
    ['the release before', 'm@1.9.0', undefined],
    ['the release itself', 'm@2.0.0', undefined],
    ['nothing', undefined, undefined],
    ['another model', 'other@1.0.0', undefined],
    ['what is too old', 'm@1.0.0', 'it runs m@1.0.0, and m@2.0.0 is reached from 1.9.0 only: roll one of these out first'],
  ])('of a release that must be reached by another, where the slot runs %s', (_what, runs, complaint) =>
    expect(incompatibility(requiring({ from: '1.9.0' }), { agent: null, runs }, satisfies)).toBe(complaint),
  );
});
