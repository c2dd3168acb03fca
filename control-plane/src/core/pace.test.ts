import { RolloutPlan, type RolloutPlanInput } from '@flotilla/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { allowance, mostOf, type Allowance, type Budgets, type LabelTally } from './pace.js';
import type { Observation, RolloutEvent, RolloutState } from './rollout-state.js';
import { reduceRollout } from './rollout.js';
import { alarms, at, counts, done, good, look, none, passes, play, resume, start, written } from './rollout-play.js';
import { planProblems } from './stage.js';

const planOf = (changes: Partial<RolloutPlanInput>) => RolloutPlan.parse({ ...written, ...changes });
const paceOf = (pace: RolloutPlanInput['pace']) => planOf({ pace }).pace;
const from = { since: 0, before: 0 };
const tally = (value: string, waiting: number, inFlight: number, all: number): LabelTally => ({ value, waiting, inFlight, all });
const allowed = (pace: RolloutPlanInput['pace'], budgets: Budgets | undefined, waiting = 10): Allowance =>
  allowance(paceOf(pace), from, 0, { counts: counts({ waiting }), waiting, inFlight: 0, budgets });

describe('a bound by label', () => {
  const bySite = { maxUnavailable: { by: 'site', count: 2 } };
  it.each<[string, RolloutPlanInput['pace'], LabelTally[], Allowance]>([
    [
      'lets each site have so many',
      bySite,
      [tally('lyon', 5, 0, 9), tally('turin', 1, 0, 9)],
      { most: 3, each: { lyon: 2, turin: 1 } },
    ],
    [
      'counts what is under way, in whichever rollout',
      bySite,
      [tally('lyon', 5, 1, 9), tally('turin', 5, 2, 9)],
      { most: 1, each: { lyon: 1 } },
    ],
    ['lets nothing go where all are busy', bySite, [tally('lyon', 5, 3, 9)], { most: 0, each: {} }],
    [
      'lets a share go',
      { maxUnavailable: { by: 'site', percent: 25 } },
      [tally('lyon', 9, 0, 9)],
      { most: 2, each: { lyon: 2 } },
    ],
    [
      'lets one go of a share below one',
      { maxUnavailable: { by: 'site', percent: 5 } },
      [tally('lyon', 9, 0, 9)],
      { most: 1, each: { lyon: 1 } },
    ],
    [
      'bears other bounds beside it',
      { ...bySite, maxInFlight: 3 },
      [tally('lyon', 5, 0, 9), tally('turin', 5, 0, 9)],
      { most: 3, each: { lyon: 2, turin: 2 } },
    ],
  ])('%s', (_name, pace, labels, expected) => expect(allowed(pace, { labels })).toEqual(expected));
  it('of which nothing is known lets nothing go', () => expect(allowed(bySite, undefined)).toEqual({ most: 0, each: {} }));
});

describe('a budget of bytes', () => {
  const pace = { bandwidth: { bytes: '10MB', per: '1h' } };
  it.each<[string, Budgets | undefined, Allowance]>([
    ['is for so many devices', { bytes: { perDevice: 3e6, spent: 0 } }, { most: 3 }],
    ['is used up', { bytes: { perDevice: 3e6, spent: 8e6 } }, { most: 0 }],
    ['that was lowered since is used up too', { bytes: { perDevice: 3e6, spent: 20e6 } }, { most: 0 }],
    ['bounds nothing that is nothing to download', { bytes: { perDevice: 0, spent: 0 } }, { most: 10 }],
    ['of which nothing is known lets nothing go', undefined, { most: 0 }],
  ])('%s', (_name, budgets, expected) => expect(allowed(pace, budgets)).toEqual(expected));
  it('that is too small for a stage is refused with the plan', () => {
    const stages: RolloutPlanInput['stages'] = [{ name: 'all', percent: 100, deadline: '2h' }];
    expect(planProblems(planOf({ stages, pace }), [9], 3e6)).toEqual([]);
    expect(planProblems(planOf({ stages, pace }), [10], 3e6)).toEqual([
      expect.stringContaining('could offer 9 of its 10 devices'),
    ]);
    expect(planProblems(planOf({ stages, pace }), [10], 11e6)).toEqual([expect.stringContaining('could offer 0 of its 10')]);
    expect(planProblems(planOf({ stages, pace }), [10], 0)).toEqual([]);
  });
});

const seen = (waiting: number, more: Partial<Observation>, seconds = 1): RolloutEvent => ({
  type: 'observed',
  at: at(seconds),
  observation: {
    stages: [
      { counts: counts({ waiting, committed: 2 }), gates: none },
      { counts: counts({}), gates: none },
    ],
    rollingBack: 0,
    alarms,
    ...more,
  },
});
const why = 'nothing is offered by the plan until tomorrow';
const stateOf = (events: RolloutEvent[], by = planOf({})) => play(events, by).state;

describe('a stage none of whose devices may move', () => {
  const closed = (seconds: number, waiting = 3) => seen(waiting, { held: { waiting, open: 0, why } }, seconds);
  it('says why, and is offered nothing', () => {
    const { state, did } = play([start, closed(1)]);
    expect(state).toMatchObject({ phase: 'running', held: { since: at(1), why } });
    expect(did).toEqual(['offer 0']);
  });
  it('does not come to its deadline, however long it is', () =>
    expect(stateOf([start, closed(1), closed(100_000)])).toMatchObject({ phase: 'running', held: { since: at(1) } }));
  it('goes on where its deadline stood, and saves no pace up', () => {
    const state = stateOf([start, closed(10), seen(3, {}, 1010)], planOf({ pace: { perMinute: 1 } }));
    expect(state).toMatchObject({ openedAt: at(1000), pace: { since: at(1010) } });
    expect(state).not.toHaveProperty('held');
    expect(stateOf([start, closed(10), seen(3, {}, 1010), seen(3, {}, 1061)])).toMatchObject({
      phase: 'paused',
      reason: 'inconclusive',
    });
  });
  it('does not go backwards with a clock that does', () =>
    expect(stateOf([start, closed(10), seen(3, {}, 5)])).toMatchObject({ openedAt: 0 }));
  it('moves again as soon as one of them may', () => {
    const some = seen(3, { held: { waiting: 2, open: 0, why } }, 2);
    const { state, did } = play([start, closed(1), some], planOf({ pace: { maxInFlight: 9 } }));
    expect(state).not.toHaveProperty('held');
    expect(did).toEqual(['offer 0']);
  });
  it('is judged all the same: a breach takes it back', () =>
    expect(
      play([
        start,
        {
          type: 'observed',
          at: at(2),
          observation: {
            stages: [{ counts: counts({ waiting: 3, failedArtifact: 2 }), gates: none }],
            rollingBack: 0,
            alarms,
            held: { waiting: 3, open: 0, why },
          },
        },
      ]).did,
    ).toEqual(['offer 0', 'roll-back']));
  it('is not held by what is decided already', () => {
    const state = stateOf([start, seen(0, { held: { waiting: 0, open: 0, why } })]);
    expect(state).not.toHaveProperty('held');
  });
  it('is held no longer once somebody pauses it', () =>
    expect(stateOf([start, closed(1), { type: 'pause', at: at(2), reason: 'manual', detail: 'x' }])).not.toHaveProperty('held'));
});

describe('a rollout that comes after another', () => {
  const second = planOf({ after: ['first'] });
  const about = (phase: string | undefined, seconds = 1): RolloutEvent =>
    seen(0, phase === undefined ? {} : { after: [{ name: 'first', phase }] }, seconds);
  it('waits until that is complete, and says for what', () => {
    expect(play([start], second)).toEqual({ state: { phase: 'scheduled', startAt: 0 }, did: [] });
    expect(stateOf([start, about('running')], second)).toMatchObject({ detail: 'waits for rollout "first", which is running' });
    expect(stateOf([start, about('rolled-back')], second)).toMatchObject({
      detail: 'waits for rollout "first", which is rolled-back',
    });
    expect(stateOf([start, about(undefined)], second)).toMatchObject({ detail: 'waits for rollout "first", which is not there' });
    expect(play([start, about('completed')], second).did).toEqual(['offer 0']);
  });
  it('waits for its own time too', () => {
    const later = planOf({ after: ['first'], startAt: at(100) });
    expect(stateOf([start, about('completed', 99)], later)).toMatchObject({ phase: 'scheduled' });
    expect(stateOf([start, about('completed', 100)], later)).toMatchObject({ phase: 'running' });
  });
});

describe('devices under way', () => {
  const holding = planOf({ inFlight: 'hold' });
  const pause: RolloutEvent = { type: 'pause', at: at(1), reason: 'manual', detail: 'x' };
  it('finish at a pause, where nothing is said', () => expect(play([start, pause, resume(2)]).did).toEqual(['offer 0']));
  it('hold at a pause and are let go, where the plan says so', () =>
    expect(play([start, pause, resume(2)], holding).did).toEqual(['offer 0', 'hold', 'let-go']));
  it('hold at a breach that pauses', () =>
    expect(
      play([start, look(1, [[counts({ open: 1, failedArtifact: 2 })]])], planOf({ inFlight: 'hold', onBreach: 'pause' })).did,
    ).toEqual(['offer 0', 'hold']));
  it('go back when it ends: nobody would let them go', () => {
    expect(play([start, pause, { type: 'cancel', at: at(2) }], holding).did).toEqual(['offer 0', 'hold', 'withdraw']);
    expect(play([start, { type: 'supersede', at: at(2), detail: 'x' }], holding).did).toEqual(['offer 0', 'withdraw']);
    expect(play([{ type: 'cancel', at: at(2) }], holding).did).toEqual([]);
  });
  it('go back a part at a time, until none is left', () => {
    const left = (unwithdrawn: boolean): RolloutEvent => {
      const seen = look(3, [[counts({})]]);
      return seen.type === 'observed' ? { ...seen, observation: { ...seen.observation, unwithdrawn } } : seen;
    };
    const cancelled: RolloutEvent[] = [start, { type: 'cancel', at: at(2) }, left(true)];
    expect(play(cancelled, holding)).toMatchObject({
      state: { phase: 'cancelled', withdrawing: true },
      did: ['offer 0', 'withdraw', 'withdraw'],
    });
    const over = play([...cancelled, left(false), left(false)], holding);
    expect(over.did).toEqual(['offer 0', 'withdraw', 'withdraw']);
    expect(over.state).toEqual({ phase: 'cancelled', detail: 'cancelled; devices keep what they have' });
  });
  it('are nobody when it has passed', () =>
    expect(play([start, ...passes(0, 0), ...passes(10, 1, [[done, good]])], holding).state.phase).toBe('completed'));
});

describe('whatever is asked for', () => {
  const n = fc.nat({ max: 6 });
  const labels = fc.uniqueArray(
    fc.record({ value: fc.constantFrom('lyon', 'turin', 'ghent', ''), waiting: n, inFlight: n, all: n }),
    { selector: ({ value }) => value },
  );
  const bytes = fc.record({ perDevice: fc.nat({ max: 4_000_000 }), spent: fc.nat({ max: 20_000_000 }) });
  const limit = fc.oneof(
    fc.record({ by: fc.constant('site'), count: fc.integer({ min: 1, max: 4 }) }),
    fc.record({ by: fc.constant('site'), percent: fc.integer({ min: 1, max: 100 }) }),
  );
  const held = fc.option(fc.record({ waiting: n, open: n, why: fc.constant('x') }), { nil: undefined });

  it('no site, no budget of bytes and no bound on what is under way is ever exceeded, and nothing that is held is offered', () =>
    fc.assert(
      fc.property(n, n, labels, bytes, limit, held, (waiting, open, tallies, spent, maxUnavailable, closed) => {
        const plan = planOf({ pace: { maxInFlight: 4, maxUnavailable, bandwidth: { bytes: '10MB', per: '1h' } } });
        const running: RolloutState = { phase: 'running', stage: 0, stagePhase: 'activating', openedAt: 0 };
        const observation: Observation = {
          stages: [
            { counts: counts({ waiting, open }), gates: none },
            { counts: counts({}), gates: none },
          ],
          rollingBack: 0,
          alarms,
          budgets: { labels: tallies, bytes: spent },
          ...(closed ? { held: closed } : {}),
        };
        const step = reduceRollout(plan, running, { type: 'observed', at: 1, observation });
        if ('refused' in step) throw new Error(step.refused);
        for (const effect of step.effects) {
          if (effect.type !== 'offer-stage') continue;
          const most = effect.most!;
          expect(most).toBeGreaterThan(0);
          expect(most + open).toBeLessThanOrEqual(4);
          expect(most).toBeLessThanOrEqual(waiting - (closed?.waiting ?? 0));
          if (spent.perDevice > 0) expect(spent.spent + most * spent.perDevice).toBeLessThanOrEqual(10e6);
          for (const [value, room] of Object.entries(effect.each!)) {
            const site = tallies.find((one) => one.value === value)!;
            expect(site.inFlight + room).toBeLessThanOrEqual(mostOf(maxUnavailable, site.all));
          }
          expect(most).toBeLessThanOrEqual(Object.values(effect.each!).reduce((a, b) => a + b, 0));
        }
      }),
    ));
});
