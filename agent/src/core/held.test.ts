import { describe, expect, it } from 'vitest';
import {
  allowed,
  booted,
  commits,
  downloaded,
  fails,
  play,
  preflighted,
  resolved,
  servingDies,
  want,
  wantAt,
  type Move,
} from './slot-play.js';

type Story = [string, { after?: Move[]; when: Move[]; tells: string[]; state: string }];

describe('an update that may not take over yet', () => {
  const later = { after: 5000, before: 9000 };
  const held = [...commits('a'), wantAt('b', later), resolved, downloaded, preflighted];
  it.each<Story>([
    [
      'is fetched and proven, then waits as staged; the incumbent serves on',
      {
        after: [...commits('a'), wantAt('b', later), resolved],
        when: [downloaded, preflighted, servingDies(1)],
        tells: ['b is verified', 'preflight b', 'b is staged', 'await-activation b', 'serve a in 0 to 0.5 s'],
        state: 'held',
      },
    ],
    [
      'takes over when its time has come',
      { after: held, when: [allowed], tells: ['b is staged', 'activate b'], state: 'staged' },
    ],
    [
      'is allowed only once',
      { after: [...held, allowed], when: [allowed], tells: ['(cannot take allowed while staged)'], state: 'staged' },
    ],
    [
      'waits anew for another time',
      { after: held, when: [wantAt('b', { hold: true })], tells: ['cancel', 'b is staged', 'await-activation b'], state: 'held' },
    ],
    [
      'is let go by a desired state that says nothing of time',
      {
        after: held,
        when: [wantAt('b'), allowed],
        tells: ['cancel', 'b is staged', 'await-activation b', 'b is staged', 'activate b'],
        state: 'staged',
      },
    ],
    ['is not disturbed by the same time', { after: held, when: [wantAt('b', later)], tells: [], state: 'held' }],
    [
      'hears of its time while it is fetched',
      {
        after: [...commits('a'), want('b'), resolved],
        when: [wantAt('b', later), downloaded, preflighted],
        tells: ['b is verified', 'preflight b', 'b is staged', 'await-activation b'],
        state: 'held',
      },
    ],
    [
      'gives way to the committed release',
      { after: held, when: [want('a', 7)], tells: ['cancel', 'serve a', 'a is committed'], state: 'committed' },
    ],
    [
      'is not interrupted by a power cut, and is held again',
      {
        after: held,
        when: [booted(), resolved, downloaded, preflighted],
        tells: [
          'serve a',
          'b is offered',
          'resolve b',
          'b is resolved',
          'download b',
          'b is verified',
          'preflight b',
          'b is staged',
          'await-activation b',
        ],
        state: 'held',
      },
    ],
    ['fails where it cannot be held', { after: held, when: [fails('space')], tells: ['b is failed space'], state: 'failed' }],
  ])('%s', (_name, { after = [], when, tells, state }) => {
    const played = play(after, when);
    expect({ told: played.told, state: played.state.update.state }).toEqual({ told: tells, state });
  });
  it('says what it waits for', () => {
    const reasons = (activate: object) =>
      play([...commits('a'), wantAt('b', activate), resolved, downloaded], [preflighted]).effects.flatMap((e) =>
        e.type === 'report' ? [e.reason] : [],
      );
    expect(reasons({ hold: true })).toEqual(['ready; waits to be told to take over']);
    expect(reasons({ after: 1 })).toEqual(['ready; waits for its time to take over']);
  });
});
