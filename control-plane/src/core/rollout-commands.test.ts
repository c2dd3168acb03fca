import { RolloutPlan } from '@flotilla/protocol';
import { describe, expect, it } from 'vitest';
import { type Counts } from './counts.js';
import { reduceRollout, type RolloutEvent, type RolloutState } from './rollout.js';
import { at, counts, done, look, passes, pause, phase, play, resume, slow, start, written } from './rollout-play.js';

describe('a rollout with a time to start', () => {
  const later = RolloutPlan.parse({ ...written, startAt: '1970-01-01T01:01:00+01:00' });
  it('waits for it', () => {
    expect(phase([start, look(59, [])], later)).toEqual(['scheduled']);
    expect(phase([start, look(60, [])], later)).toEqual(['running', 'activating', 'offer 0']);
  });
  it('can be cancelled before', () => expect(phase([start, { type: 'cancel', at: 1 }], later)).toEqual(['cancelled']));
  it('starts at once when the time is past', () =>
    expect(phase([{ type: 'start', at: at(61) }], later)).toEqual(['running', 'activating', 'offer 0']));
});

describe('a rollout that needs the word of others', () => {
  const asking = RolloutPlan.parse({ ...written, approval: { count: 2, stages: ['rest'] } });
  const asked: RolloutEvent = { type: 'start', at: 0, planHash: 'h', author: 'ann' };
  const say = (type: 'approve' | 'reject' | 'withdraw-approval', by: string, planHash = 'h', comment?: string): RolloutEvent => ({
    type,
    at: 1,
    by,
    planHash,
    comment,
  });
  const both = [say('approve', 'bob'), say('approve', 'eve', 'h', 'seen in the lab')];
  it('waits for as many as the plan names', () => {
    expect(play([asked, say('approve', 'bob')], asking)).toMatchObject({
      state: { phase: 'awaiting-approval', detail: '1 of 2 approvals before it starts' },
      did: [],
    });
    expect(phase([asked, ...both], asking)).toEqual(['running', 'activating', 'offer 0']);
  });
  it('counts nobody twice, and never its author', () => {
    expect(play([asked, say('approve', 'bob'), say('approve', 'bob')], asking).state).toMatchObject({
      approvals: [{ by: 'bob' }],
    });
    expect(play([asked, say('approve', 'ann')], asking).did).toEqual(['ann made this plan: somebody else has to approve it']);
  });
  it('takes no approval of another plan', () =>
    expect(play([asked, say('approve', 'bob', 'other')], asking).did).toEqual([expect.stringContaining('another plan')]));
  it('forgets an approval that was withdrawn', () =>
    expect(
      play([asked, say('approve', 'bob'), say('withdraw-approval', 'bob'), say('approve', 'eve')], asking).state,
    ).toMatchObject({
      phase: 'awaiting-approval',
      approvals: [{ by: 'eve' }],
    }));
  it('is over when somebody rejects it', () => {
    expect(play([asked, say('reject', 'bob', 'h', 'not on a Friday')], asking).state).toMatchObject({
      phase: 'rejected',
      detail: 'rejected by bob: not on a Friday',
    });
    expect(play([asked, say('reject', 'bob'), ...both], asking).state).toMatchObject({
      phase: 'rejected',
      detail: 'rejected by bob',
    });
  });
  it('asks again before the stages that the plan names, and can be taken back while it asks', () => {
    const before = [asked, ...both, ...passes(2, 0)];
    expect(play(before, asking)).toMatchObject({
      state: { phase: 'awaiting-approval', stage: 1, detail: '0 of 2 approvals before stage "rest"' },
      did: ['offer 0'],
    });
    expect(phase([...before, ...both], asking)).toEqual(['running', 'activating', 'offer 0', 'offer 1']);
    expect(phase([...before, { type: 'roll-back', at: 9, detail: 'asked' }], asking)).toEqual([
      'rolling-back',
      'offer 0',
      'roll-back',
    ]);
    expect(play([asked, { type: 'roll-back', at: 9, detail: 'asked' }], asking).did).toEqual([
      'cannot roll-back a rollout that is awaiting-approval',
    ]);
  });
  it('may be asked for a stage only', () => {
    const stageOnly = RolloutPlan.parse({ ...written, approval: { start: false, stages: ['rest'] } });
    expect(phase([asked], stageOnly)).toEqual(['running', 'activating', 'offer 0']);
    expect(play([asked, ...passes(2, 0)], stageOnly).state).toMatchObject({ phase: 'awaiting-approval', stage: 1 });
  });
  it('is the word of people with a role, where the plan says so', () => {
    const byApprover = RolloutPlan.parse({ ...written, approval: { from: 'approver' } });
    const as = (by: string, role?: string): RolloutEvent =>
      ({ ...say('approve', by), ...(role ? { role } : {}) }) as RolloutEvent;
    expect(play([asked, as('bob', 'operator')], byApprover).did).toEqual([
      'bob is operator: this plan asks for the word of somebody who is approver',
    ]);
    expect(play([asked, as('bob')], byApprover).did).toEqual([expect.stringContaining('nobody in particular')]);
    expect(play([asked, as('bob', 'approver')], byApprover).did).toEqual(['offer 0']);
  });
  it('made by nobody in particular can be approved by nobody', () =>
    expect(play([start, say('approve', 'bob')], asking).did).toEqual([expect.stringContaining('another plan')]));
  it('keeps what was accepted before while it asks', () => {
    const stageOnly = RolloutPlan.parse({ ...written, onBreach: 'pause', approval: { start: false, stages: ['rest'] } });
    const events = [
      asked,
      look(1, [[done, slow]]),
      resume(2, 'new lens'),
      ...passes(2, 0).map((e) => (e.type === 'observed' ? look(e.at / 1000, [[done, slow]]) : e)),
    ];
    expect(play(events, stageOnly).state).toMatchObject({
      phase: 'awaiting-approval',
      accepted: { metrics: ['0/compute.mean'] },
    });
    expect(play([...events, say('approve', 'bob')], stageOnly).state).toMatchObject({
      phase: 'running',
      stage: 1,
      accepted: { metrics: ['0/compute.mean'] },
    });
  });
  it('waits for its time once it is approved', () => {
    const both1 = RolloutPlan.parse({ ...written, approval: {}, startAt: 60_000 });
    expect(play([asked, say('approve', 'bob')], both1).state).toMatchObject({ phase: 'scheduled', submitted: { author: 'ann' } });
  });
  it('is not asked when it does not wait', () =>
    expect(play([start, say('approve', 'bob')]).did).toEqual(['offer 0', 'cannot approve a rollout that is running']));
});

describe('a pause that ends by itself', () => {
  const held = (reason: 'window' | 'metrics'): RolloutEvent => ({ type: 'pause', at: at(1), reason, detail: 'closed' });
  const released = (reason: 'window' | 'metrics'): RolloutEvent => ({ type: 'release', at: at(9), reason });
  it('goes on when its reason is gone', () => {
    expect(phase([start, held('metrics'), released('metrics')])).toEqual(['running', 'activating', 'offer 0']);
    expect(play([start, look(1, [[done]]), look(6, [[done]]), held('window'), released('window')]).state).toMatchObject({
      stagePhase: 'analysing',
      analysingSince: at(9),
    });
  });
  it('does not end for another reason', () => {
    expect(play([start, held('metrics'), released('window')]).state).toMatchObject({ phase: 'paused', reason: 'metrics' });
    expect(play([start, pause(1), released('window')]).state).toMatchObject({ phase: 'paused', reason: 'manual' });
  });
});

describe('a rollout whose release is killed', () => {
  const killed: RolloutEvent = { type: 'kill', at: 1, detail: 'it bites' };
  it.each([
    ['before it starts', []],
    ['while it runs', [start]],
    ['while it is paused', [start, pause(1)]],
  ])('is over %s', (_, before) => {
    const { state, did } = play([...before, killed, resume(2), look(3, [[done]])]);
    expect(state).toMatchObject({ phase: 'killed', detail: 'it bites' });
    expect(did.filter((word) => word === 'offer 0').length).toBe(before.length > 0 ? 1 : 0);
  });
  it('goes on where it is taken back anyway', () => {
    const back: RolloutEvent = { type: 'roll-back', at: 1, detail: 'asked for' };
    expect(play([start, back, killed]).state).toMatchObject({ phase: 'rolling-back' });
  });
});

describe('a rollout that another takes over from', () => {
  it('is superseded, and its devices keep what they have', () => {
    const over: RolloutEvent = { type: 'supersede', at: 1, detail: 'superseded by 1.2.0' };
    expect(play([start, over])).toMatchObject({
      state: { phase: 'superseded', detail: 'superseded by 1.2.0' },
      did: ['offer 0'],
    });
    expect(play([start, over, over]).did).toEqual(['offer 0', 'cannot supersede a rollout that is superseded']);
  });
});

describe('a pace', () => {
  const patient = { ...written, stages: [{ name: 'all', percent: 100, soak: 5, deadline: 3600 }] };
  const paced = RolloutPlan.parse({ ...patient, pace: { maxInFlight: 3, perMinute: 2, growth: 2 } });
  const most = (events: RolloutEvent[]) => {
    let state: RolloutState = { phase: 'draft' };
    return events.flatMap((event) => {
      const step = reduceRollout(paced, state, event);
      if ('refused' in step) return [];
      state = step.state;
      return step.effects.map((e) => ('most' in e ? e.most : e.type));
    });
  };
  const waiting = (n: number, open: number, committed = 0) => [[counts({ waiting: n, open, committed })]] as [Counts][];
  it('offers the first at the first look, and the next in the next minute, twice as many', () =>
    expect(
      most([start, look(1, waiting(20, 0)), look(2, waiting(18, 2)), look(62, waiting(18, 0, 2)), look(63, waiting(15, 3, 2))]),
    ).toEqual([2, 3]));
  it('never has more under way than it may', () =>
    expect(most([start, look(1, waiting(20, 0)), look(62, waiting(18, 2))])).toEqual([2, 1]));
  it('saves nothing up in a pause', () =>
    expect(
      most([start, look(1, waiting(20, 0)), pause(2), resume(600), look(601, waiting(18, 0, 2)), look(602, waiting(16, 2, 2))]),
    ).toEqual([2, 2]));
  it('without growth offers the same each minute', () => {
    const even = RolloutPlan.parse({ ...patient, pace: { perMinute: 2 } });
    const { state } = play([start, look(1, waiting(20, 0))], even);
    expect(reduceRollout(even, state, look(122, waiting(18, 2)))).toMatchObject({ effects: [{ most: 4 }] });
  });
  it('offers late joiners while the stage soaks', () =>
    expect(play([start, look(1, [[done]]), look(2, [[counts({ committed: 9, waiting: 1 })]])]).did).toEqual([
      'offer 0',
      'offer 0',
    ]));
});
