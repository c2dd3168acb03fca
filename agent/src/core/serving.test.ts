import { describe, expect, it } from 'vitest';
import {
  beats,
  booted,
  commits,
  dies,
  type Move,
  play,
  resolved,
  servingBeats,
  servingDies,
  servingIsUp,
  target,
  toProbation,
  want,
} from './slot-play.js';
import { recoveredSlot } from './slot-state.js';

const loops = [servingDies(1), servingDies(2), servingDies(3)];
type Story = [string, { after: Move[]; when: Move[]; tells: string[] }];

describe('a committed runner', () => {
  it.each<Story>([
    [
      'that dies is started again, each time somewhat later',
      { after: commits('a'), when: [servingDies(1), servingDies(2)], tells: ['serve a in 0 to 0.5 s', 'serve a in 0 to 1 s'] },
    ],
    [
      'is forgiven deaths that lie more than a minute apart',
      {
        after: commits('a'),
        when: [servingDies(1), servingDies(62), servingDies(123)],
        tells: ['serve a in 0 to 0.5 s', 'serve a in 0 to 0.5 s', 'serve a in 0 to 0.5 s'],
      },
    ],
    [
      'is forgiven its deaths after twenty healthy inferences',
      {
        after: [...commits('a'), servingDies(1), servingDies(2)],
        when: [servingIsUp, servingBeats(20), servingDies(3)],
        tells: ['clear-boots', 'serve a in 0 to 0.5 s'],
      },
    ],
    [
      'that has no traffic is steady after a minute',
      {
        after: [...commits('a'), booted()],
        when: [servingIsUp, servingBeats(0, 1062), servingBeats(0, 1063)],
        tells: ['clear-boots'],
      },
    ],
    [
      'that crashes three times within a minute gives way to the one before',
      {
        after: [...commits('a'), ...commits('b')],
        when: loops,
        tells: ['serve b in 0 to 0.5 s', 'serve b in 0 to 1 s', 'b is rolled-back crash', 'serve a'],
      },
    ],
    [
      'goes to safe mode when the one before crashes as well',
      {
        after: [...commits('a'), ...commits('b'), ...loops],
        when: loops,
        tells: ['serve a in 0 to 0.5 s', 'serve a in 0 to 1 s', 'alarm safe-mode', 'a is failed crash', 'serve a in 60 to 300 s'],
      },
    ],
    [
      'in safe mode is tried again slowly',
      { after: [...commits('a'), ...loops], when: [servingDies(90)], tells: ['serve a in 60 to 300 s'] },
    ],
    [
      'leaves safe mode when it proves itself, and says so',
      { after: [...commits('a'), ...loops], when: [servingIsUp, servingBeats(20)], tells: ['clear-boots', 'a is committed'] },
    ],
    [
      'leaves safe mode silently where the slot is about another release by then',
      { after: [...commits('a'), ...loops, want('b')], when: [servingIsUp, servingBeats(20)], tells: ['clear-boots'] },
    ],
    [
      'may loop while another release is on its way, which is not called off',
      {
        after: [...commits('a'), ...commits('b'), want('c'), resolved],
        when: loops,
        tells: ['serve b in 0 to 0.5 s', 'serve b in 0 to 1 s', 'b is rolled-back crash', 'serve a'],
      },
    ],
    [
      'is started in safe mode after many starts of the supervisor in a row',
      {
        after: commits('a'),
        when: [booted(5), booted(6)],
        tells: ['serve a', 'a is committed', 'alarm safe-mode', 'serve a in 60 to 300 s', 'a is committed'],
      },
    ],
    [
      'that was replaced says nothing that counts',
      {
        after: [...commits('a'), want('b'), ...toProbation],
        when: [servingDies(1), dies(), servingDies(2)],
        tells: ['(cannot take died while probation)', 'b is rolling-back crash', 'serve a', 'serve a in 0 to 0.5 s'],
      },
    ],
  ])('%s', (_name, { after, when, tells }) => expect(play(after, when).told).toEqual(tells));

  it('keeps an update that is under way when it gives way to the one before', () => {
    const { state } = play([...commits('a'), ...commits('b'), want('c'), resolved], loops);
    expect(state).toMatchObject({ committed: { digest: target('a').digest }, update: { state: 'resolved' } });
    expect(state.previous).toBeUndefined();
  });

  it('that fell back stands in the state as rolled back', () => {
    const { state } = play([...commits('a'), ...commits('b')], loops);
    expect(state.update).toMatchObject({ state: 'rolled-back', failure: 'crash', target: { digest: target('b').digest } });
  });

  it('unknown to the slot is not listened to', () => {
    const late: Move[] = [
      () => ({ type: 'served', run: 9, at: 1 }),
      () => ({ type: 'died', run: 9, at: 1, death: { failure: 'crash', outside: false, reason: '' } }),
    ];
    expect(play(commits('a'), late).told).toEqual(['(served of run 9 comes late)', '(died of run 9 comes late)']);
  });

  it('is not looked for in an empty slot', () => {
    expect(play([], [servingBeats(20), servingDies(1), beats(1)]).told).toEqual([
      '(heartbeat of run 0 comes late)',
      '(died of run 0 comes late)',
      '(heartbeat of run 0 comes late)',
    ]);
  });

  it('is all that a slot with a damaged journal knows, and it is served', () => {
    const { deployment, digest, release } = target('a');
    const recovered = recoveredSlot({ deployment, digest, release, variant: 'int8.onnx' });
    expect(play([], [booted()], recovered).told).toEqual(['serve a', 'a is committed']);
  });
});
