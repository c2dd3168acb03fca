import { describe, expect, it } from 'vitest';
import {
  blocking,
  booted,
  commits,
  dies,
  fails,
  play,
  resolved,
  servingBeats,
  servingDies,
  shutdown,
  stopped,
  target,
  toProbation,
  want,
  wantNothing,
  beats,
} from './slot-play.js';

const told = (...args: Parameters<typeof play>) => play(...args).told;
const ab = [...commits('a'), ...commits('b')];

describe('a blocked release', () => {
  it('goes on serving until what was good before takes its place', () => {
    const { told: words, state } = play(ab, [blocking('b', want('a', 7)), ...toProbation, beats(20)]);
    expect(words).not.toContain('serve b');
    expect(words.at(-2)).toBe('a is committed');
    expect([state.committed?.digest, state.previous, state.halted]).toEqual([target('a').digest, undefined, undefined]);
  });

  it('is stopped where nothing else is wanted, and clients are told why, after a start too', () => {
    const stop = ['cancel', 'stop-runner: b bites', 'b is idle', 'collect'];
    expect(told(ab, [blocking('b')])).toEqual(stop);
    expect(told([...ab, blocking('b'), shutdown], [booted()])).toEqual(['stop-runner: b bites']);
    expect(play(ab, [blocking('b')]).state.previous).toBeUndefined();
  });

  it('is not gone back to when the other fails, before it serves or after', () => {
    const early = told(ab, [blocking('b', want('c')), fails('transport')]);
    expect(early.slice(-2)).toEqual(['c is failed transport', 'stop-runner: b bites']);
    const late = told([...ab, blocking('b', want('c')), ...toProbation], [dies(), stopped]);
    expect(late).toEqual(['c is rolling-back crash', 'stop-runner', 'c is rolled-back crash']);
    const inSwap = told([...ab, blocking('b', want('c')), ...toProbation.slice(0, -1)], [fails('load', 'swap-failed'), stopped]);
    expect(inSwap).toEqual(['c is rolling-back load', 'stop-runner', 'c is rolled-back load']);
  });

  it('is not reported as committed any more once it is gone', () => {
    const { effects } = play(ab, [blocking('b', want('c')), fails('transport')]);
    expect(effects.filter((e) => e.type === 'report').map((e) => e.committed && e.committed[0])).toEqual(['b', undefined]);
  });

  it('is not started again: neither after its death nor after a power cut', () => {
    const wanting = [...ab, blocking('b', want('c')), resolved];
    expect(told(wanting, [servingDies(1)])).toEqual(['stop-runner: b bites']);
    expect(told(wanting, [booted()])).toEqual(['c is offered', 'resolve c', 'stop-runner: b bites']);
  });

  it('is no way out when the release in its place dies again and again', () => {
    const good = [...ab, blocking('a', want('b')), servingBeats(20)];
    expect(told(good, [servingDies(1), servingDies(2), servingDies(3)]).filter((word) => word.startsWith('serve a'))).toEqual([]);
    expect(play([...ab, blocking('b', want('c')), ...toProbation], [beats(20)]).state.previous).toBeUndefined();
  });

  it('that is a first candidate is not left serving for want of a better one', () => {
    const first = [want('b'), ...toProbation];
    expect(told(first, [blocking('b', want('c'))])).toEqual(['stop-runner: b bites', 'cancel', 'c is offered', 'resolve c']);
    expect(told(first, [blocking('a', want('c'))])).toEqual(['cancel', 'c is offered', 'resolve c']);
  });

  it('may be wanted again once it is not blocked any more', () => {
    const { state, told: words } = play([...ab, blocking('b'), want('b', 9)], toProbation);
    expect(state.halted).toBe('b bites');
    expect(words.at(-1)).toBe('b is probation');
    expect(play([...ab, blocking('b'), want('b', 9), ...toProbation], [beats(20)]).state).not.toHaveProperty('blocked');
  });

  it('of which nothing new is said changes nothing', () => {
    const { state } = play(ab, [blocking('c', want('b'))]);
    expect(play([], [blocking('c', want('b'))], state).state).toBe(state);
    expect(play([...ab, blocking('b')], [wantNothing]).told).toEqual([]);
  });
});
