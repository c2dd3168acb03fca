import { describe, expect, it } from 'vitest';
import {
  activated,
  beats,
  booted,
  commits,
  dies,
  downloaded,
  downloading,
  fails,
  type Move,
  play,
  preflighted,
  preflighting,
  resolved,
  servingDies,
  servingIsUp,
  shutdown,
  stopped,
  target,
  toProbation,
  waiting,
  want,
  wantNothing,
} from './slot-play.js';

type Story = [string, { after?: Move[]; when: Move[]; tells: string[]; state: string }];
const onProbation = [...commits('a'), want('b'), ...toProbation];
const staged = [...commits('a'), want('b'), resolved, downloaded, preflighted];

describe('an update', () => {
  it.each<Story>([
    [
      'goes step by step from an offer to commit',
      {
        when: [want('a'), ...toProbation, beats(19), beats(20)],
        tells: [
          'a is offered',
          'resolve a',
          'a is resolved',
          'download a',
          'a is downloading',
          'a is verified',
          'preflight a',
          'a is preflight',
          'a is staged',
          'activate a',
          'a is probation',
          'a is committed',
          'collect',
        ],
        state: 'committed',
      },
    ],
    [
      'waits for a network and goes on',
      {
        after: [want('a'), resolved],
        when: [waiting, downloading, waiting, downloaded],
        tells: ['a is waiting transport', 'a is downloading', 'a is waiting transport', 'a is verified', 'preflight a'],
        state: 'verified',
      },
    ],
    [
      'needs no download where everything is stored',
      { after: [want('a'), resolved], when: [downloaded], tells: ['a is verified', 'preflight a'], state: 'verified' },
    ],
    [
      'skips measuring a variant that is remembered',
      { after: [want('a'), resolved, downloaded], when: [preflighted], tells: ['a is staged', 'activate a'], state: 'staged' },
    ],
    [
      'is rejected where no variant fits',
      { after: [want('a')], when: [fails('incompatible', 'rejected')], tells: ['a is rejected incompatible'], state: 'rejected' },
    ],
    [
      'fails before probation with its class, and the incumbent is not disturbed',
      {
        after: [...commits('a'), want('b'), resolved, downloaded, preflighting],
        when: [fails('golden')],
        tells: ['b is failed golden'],
        state: 'failed',
      },
    ],
    [
      'asks for the incumbent again when the candidate cannot be loaded',
      { after: staged, when: [fails('load')], tells: ['b is failed load', 'serve a'], state: 'failed' },
    ],
    [
      'has nothing to ask for when the first release of all cannot be loaded',
      {
        after: [want('a'), resolved, downloaded, preflighted],
        when: [fails('load')],
        tells: ['a is failed load'],
        state: 'failed',
      },
    ],
    [
      'rolls back when the swap breaks halfway',
      {
        after: staged,
        when: [fails('crash', 'swap-failed'), servingIsUp],
        tells: ['b is rolling-back crash', 'serve a', 'b is rolled-back crash'],
        state: 'rolled-back',
      },
    ],
    [
      'rolls back when the candidate dies in the very swap',
      { after: staged, when: [dies()], tells: ['b is rolling-back crash', 'serve a'], state: 'rolling-back' },
    ],
    [
      'rolls back to the last committed release on a crash',
      {
        after: onProbation,
        when: [dies(), servingIsUp],
        tells: ['b is rolling-back crash', 'serve a', 'b is rolled-back crash'],
        state: 'rolled-back',
      },
    ],
    [
      'rolls back on a burst of errors',
      { after: onProbation, when: [beats(30, 5, 5)], tells: ['b is rolling-back health', 'serve a'], state: 'rolling-back' },
    ],
    [
      'keeps the class of a death for memory',
      {
        after: onProbation,
        when: [dies({ failure: 'memory' })],
        tells: ['b is rolling-back memory', 'serve a'],
        state: 'rolling-back',
      },
    ],
    [
      'stops the slot where there is nothing to roll back to',
      {
        after: [want('a'), ...toProbation],
        when: [dies(), stopped],
        tells: ['a is rolling-back crash', 'stop-runner', 'a is rolled-back crash'],
        state: 'rolled-back',
      },
    ],
    [
      'is tried again after the first death by an outside signal, and its count begins anew',
      {
        after: onProbation,
        when: [beats(15), dies({ outside: true }), activated, beats(15)],
        tells: ['b is staged interrupted', 'activate b', 'b is probation'],
        state: 'probation',
      },
    ],
    [
      'has crashed at the second death by an outside signal',
      {
        after: [...onProbation, dies({ outside: true }), activated],
        when: [dies({ outside: true })],
        tells: ['b is rolling-back crash', 'serve a'],
        state: 'rolling-back',
      },
    ],
    [
      'commits as unproven when the time is up with too little traffic',
      {
        after: onProbation,
        when: [beats(3, 0, 0, 1299), beats(3, 0, 0, 1300)],
        tells: ['b is committed-unproven', 'collect'],
        state: 'committed-unproven',
      },
    ],
    [
      'is proven after all when the traffic comes later',
      {
        after: [...onProbation, beats(0, 0, 0, 1300)],
        when: [beats(19, 0, 0, 1301), beats(20, 0, 0, 1302), beats(21, 0, 0, 1303)],
        tells: ['clear-boots', 'b is committed'],
        state: 'committed',
      },
    ],
    [
      'is not tried again once it failed, until a new deployment comes',
      {
        after: [want('a'), fails('transport')],
        when: [want('a'), want('a', 7)],
        tells: ['a is offered', 'resolve a'],
        state: 'offered',
      },
    ],
  ])('%s', (_name, { after = [], when, tells, state }) => {
    const played = play(after, when);
    expect({ told: played.told, state: played.state.update.state }).toEqual({ told: tells, state });
  });
});

describe('another desired state', () => {
  it.each<Story>([
    ['that names the same deployment changes nothing', { after: onProbation, when: [want('b')], tells: [], state: 'probation' }],
    [
      'takes the place of a download',
      {
        after: [want('a'), resolved, downloading],
        when: [want('b')],
        tells: ['cancel', 'b is offered', 'resolve b'],
        state: 'offered',
      },
    ],
    [
      'takes the place of a candidate on probation, and the committed release serves meanwhile',
      { after: onProbation, when: [want('c')], tells: ['cancel', 'serve a', 'c is offered', 'resolve c'], state: 'offered' },
    ],
    [
      'leaves a first candidate serving, for want of a better one',
      { after: [want('a'), ...toProbation], when: [want('b')], tells: ['cancel', 'b is offered', 'resolve b'], state: 'offered' },
    ],
    [
      'that names the committed digest is committed straight away',
      { after: commits('a'), when: [want('a', 7)], tells: ['serve a', 'a is committed'], state: 'committed' },
    ],
    [
      'that names the committed digest ends a probation',
      { after: onProbation, when: [want('a', 7)], tells: ['cancel', 'serve a', 'a is committed'], state: 'committed' },
    ],
    [
      'without the slot stops it',
      { after: onProbation, when: [wantNothing], tells: ['cancel', 'stop-runner', 'b is idle', 'collect'], state: 'idle' },
    ],
    ['without the slot leaves an idle one idle', { when: [wantNothing, wantNothing], tells: [], state: 'idle' }],
    [
      'during a roll back lets it end in the background',
      { after: [...onProbation, dies()], when: [want('c'), servingIsUp], tells: ['c is offered', 'resolve c'], state: 'offered' },
    ],
  ])('%s', (_name, { after = [], when, tells, state }) => {
    const played = play(after, when);
    expect({ told: played.told, state: played.state.update.state }).toEqual({ told: tells, state });
  });

  it('is what a committed release stands for from then on', () => {
    const { state } = play(commits('a'), [want('a', 7)]);
    expect(state.committed?.deployment).toBe(target('a', 7).deployment);
    expect(state.previous).toBeUndefined();
  });
});

describe('a power cut', () => {
  const resumed = ['serve a', 'b is offered', 'resolve b'];
  const interrupted = ['serve a', 'b is offered interrupted', 'resolve b'];
  const cut = (...moves: Move[]) => [...commits('a'), want('b'), ...moves];
  it.each<Story>([
    ['leaves an empty slot empty', { when: [booted()], tells: [], state: 'idle' }],
    [
      'finds the last known good',
      { after: commits('a'), when: [booted()], tells: ['serve a', 'a is committed'], state: 'committed' },
    ],
    ['while offered is no fault of the release', { after: cut(), when: [booted()], tells: resumed, state: 'offered' }],
    ['while resolved resumes', { after: cut(resolved), when: [booted()], tells: resumed, state: 'offered' }],
    ['while downloading resumes', { after: cut(resolved, downloading), when: [booted()], tells: resumed, state: 'offered' }],
    ['while waiting resumes', { after: cut(resolved, waiting), when: [booted()], tells: resumed, state: 'offered' }],
    ['while verified resumes', { after: cut(resolved, downloaded), when: [booted()], tells: resumed, state: 'offered' }],
    [
      'in preflight interrupts',
      { after: cut(resolved, downloaded, preflighting), when: [booted()], tells: interrupted, state: 'offered' },
    ],
    ['while staged interrupts', { after: staged, when: [booted()], tells: interrupted, state: 'offered' }],
    ['on probation interrupts', { after: onProbation, when: [booted()], tells: interrupted, state: 'offered' }],
    [
      'during a roll back ends it',
      {
        after: [...onProbation, dies()],
        when: [booted(), servingIsUp],
        tells: ['serve a', 'b is rolling-back crash', 'b is rolled-back crash'],
        state: 'rolled-back',
      },
    ],
    [
      'during a roll back to nothing ends it',
      { after: [want('a'), ...toProbation, dies()], when: [booted()], tells: ['a is rolled-back crash'], state: 'rolled-back' },
    ],
    [
      'tells a verdict again, which may not have reached the outbox',
      { after: [want('a'), fails('space')], when: [booted()], tells: ['a is failed space'], state: 'failed' },
    ],
  ])('%s', (_name, { after = [], when, tells, state }) => {
    const played = play(after, when);
    expect({ told: played.told, state: played.state.update.state }).toEqual({ told: tells, state });
  });

  it('is borne three times, then the update has failed', () => {
    const again = [booted(), ...toProbation];
    const { state } = play(onProbation, [...again, ...again, ...again, booted()]);
    expect(state.update).toMatchObject({ state: 'failed', failure: 'interrupted' });
    expect(state.committed).toMatchObject({ digest: target('a').digest });
  });

  it('that ends a preflight runner counts like one that ends the device', () => {
    const { told } = play([want('a'), resolved, downloaded, preflighting], [fails('interrupted')]);
    expect(told).toEqual(['a is offered interrupted', 'resolve a']);
  });

  it('is told from a clean stop, which is no interruption', () => {
    const { state, told } = play(onProbation, [shutdown, booted()]);
    expect(told).toEqual(['clear-boots', 'serve a', 'b is offered', 'resolve b']);
    expect(state.update).toMatchObject({ state: 'offered', interruptions: 0 });
  });

  it('after a clean stop finds a verdict as it was', () => {
    expect(play(commits('a'), [shutdown]).state).toEqual(play(commits('a'), []).state);
  });
});

describe('what comes late or twice', () => {
  const at = (moves: Move[], move: Move) => play(moves, [move]);
  it.each<[string, Move[], Move, string]>([
    ['a resolution', [want('a'), resolved], resolved, 'cannot take resolved while resolved'],
    ['a rejection', [want('a'), resolved], fails('incompatible', 'rejected'), 'cannot take rejected while resolved'],
    ['a start of download', [want('a'), resolved, downloading], downloading, 'cannot take downloading while downloading'],
    ['a wait', [want('a'), resolved, waiting], waiting, 'cannot take waiting while waiting'],
    ['a download', [want('a'), resolved, downloaded], downloaded, 'cannot take downloaded while verified'],
    ['a start of preflight', [want('a')], preflighting, 'cannot take preflighting while offered'],
    ['a preflight', [want('a')], preflighted, 'cannot take preflighted while offered'],
    ['an activation', [want('a')], activated, 'cannot take activated while offered'],
    ['a failure', [want('a'), ...toProbation], fails('load'), 'cannot take failed while probation'],
    ['a broken swap', [want('a')], fails('crash', 'swap-failed'), 'cannot take swap-failed while offered'],
    ['a word of a candidate that is gone', commits('a'), downloaded, 'cannot take downloaded while committed'],
    ['a stop', commits('a'), stopped, 'cannot be stopped while committed'],
    ["the incumbent's death while the candidate takes over", staged, servingDies(1), 'cannot take died while staged'],
  ])('%s is refused and changes nothing', (_name, moves, move, refusal) => {
    const { state, told } = at(moves, move);
    expect(told).toEqual([`(${refusal})`]);
    expect(state).toEqual(play(moves, []).state);
  });

  it('a word of an earlier attempt is not taken for one of the present attempt', () => {
    const old = play([want('a')], []).state.update;
    const { told } = play([want('a'), want('b')], [() => ({ type: 'resolved', run: 'run' in old ? old.run : 0, variants: [] })]);
    expect(told).toEqual(['(cannot take resolved while offered)']);
  });
});
