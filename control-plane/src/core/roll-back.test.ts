import { RolloutPlan } from '@flotilla/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { at, done, look, play, start, written } from './rollout-play.js';
import { reduceRollout, type RolloutEvent } from './rollout.js';
import type { Returns, StateOf } from './rollout-state.js';

const planWith = (rollBack: object) => RolloutPlan.parse({ ...written, rollBack });
const asked: RolloutEvent = { type: 'roll-back', at: at(10), detail: 'asked' };
const seen = (seconds: number, some: Partial<Returns>, rollingBack = some.inFlight ?? 0): RolloutEvent => {
  const event = look(seconds, [[done], [done]], rollingBack) as Extract<RolloutEvent, { type: 'observed' }>;
  const returns = { held: 0, inFlight: 0, failed: 0, told: 0, ...some };
  return { ...event, observation: { ...event.observation, returns } };
};
/** How many devices each look tells to go back. */
function told(plan: RolloutPlan, ...events: RolloutEvent[]): [string, ...(number | string)[]] {
  let { state } = play([start, asked], plan);
  const tells: (number | string)[] = [];
  for (const event of events) {
    const step = reduceRollout(plan, state, event);
    if ('refused' in step) throw new Error(step.refused);
    state = step.state;
    tells.push(...step.effects.map((e) => (e.type === 'roll-back' ? `${e.most} to ${e.to ?? 'before'}` : e.type)));
  }
  return [state.phase, ...tells];
}

describe('a roll back with a pace', () => {
  it.each([
    [
      'tells no more devices than may be under way at a time',
      { maxInFlight: 3 },
      [seen(11, { held: 10 }), seen(12, { held: 7, inFlight: 3, told: 3 }), seen(13, { held: 7, inFlight: 1, told: 3 })],
      ['rolling-back', '3 to before', '2 to before'],
    ],
    [
      'tells so many a minute',
      { perMinute: 2 },
      [seen(11, { held: 10 }), seen(40, { held: 8, told: 2 }), seen(71, { held: 8, told: 2 })],
      ['rolling-back', '2 to before', '2 to before'],
    ],
    [
      'names the release that all go back to',
      { maxInFlight: 9, to: 'classifier@1.0.0' },
      [seen(11, { held: 1 })],
      ['rolling-back', '1 to classifier@1.0.0'],
    ],
    ['is over when nothing is held and all have confirmed', { maxInFlight: 1 }, [seen(11, {})], ['rolled-back']],
    [
      'tells nobody else when too many failed on what they went back to',
      { maxInFlight: 5, maxFailures: 1 },
      [seen(11, { held: 8, failed: 1, told: 5 }), seen(12, { held: 4, failed: 2, told: 9 })],
      ['rollback-incomplete', '5 to before'],
    ],
    [
      'waits for the last devices as long as for any, and no longer',
      { maxInFlight: 5 },
      [seen(100, { held: 2, told: 9 }), seen(129, { inFlight: 2, told: 11 }), seen(131, { told: 11 }, 2)],
      ['rollback-incomplete', '2 to before'],
    ],
    [
      'is complete after all when the last device comes back',
      { maxInFlight: 5, maxFailures: 0 },
      [seen(11, { held: 1, failed: 1 }), seen(12, { held: 1 }), seen(13, {})],
      ['rolled-back'],
    ],
  ])('%s', (_what, rollBack, events, expected) => expect(told(planWith(rollBack), ...events)).toEqual(expected));

  it('says what is left', () => {
    const plan = planWith({ maxInFlight: 5, maxFailures: 1 });
    const { state } = play([start, asked, seen(11, { held: 4, failed: 2 })], plan);
    expect(state).toMatchObject({ detail: 'asked; 2 devices failed on what they went back to, 1 may: 4 were not told' });
  });

  it('never tells more than its budgets let it, in any order of looks', () => {
    const look_ = fc.record({
      seconds: fc.integer({ min: 10, max: 600 }),
      held: fc.nat(50),
      inFlight: fc.nat(20),
      told: fc.nat(60),
    });
    fc.assert(
      fc.property(
        fc.array(look_),
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 9 }),
        (looks, maxInFlight, perMinute) => {
          const plan = planWith({ maxInFlight, perMinute });
          const first = play([start, asked], plan).state as StateOf<'rolling-back'>;
          for (const { seconds, held, inFlight, told: before } of looks) {
            const step = reduceRollout(plan, first, seen(seconds, { held, inFlight, told: before }));
            const effects = 'refused' in step ? [] : step.effects;
            const most = effects.reduce((sum, e) => sum + ('most' in e ? (e.most ?? 0) : 0), 0);
            expect(most).toBeLessThanOrEqual(Math.max(0, Math.min(held, maxInFlight - inFlight)));
            expect(most === 0 || before + most <= perMinute * (Math.floor((seconds - 10) / 60) + 1)).toBe(true);
          }
        },
      ),
    );
  });
});

describe('a roll back at once', () => {
  it('tells those too that came to hold the release meanwhile', () =>
    expect(told(RolloutPlan.parse(written), seen(11, { held: 2 }))).toEqual(['rolling-back', '2 to before']));

  it('goes where somebody says rather than where the plan does', () => {
    const plan = planWith({ to: 'classifier@1.0.0' });
    const step = (event: RolloutEvent) => {
      const { state } = play([start], plan);
      const next = reduceRollout(plan, state, event);
      return 'refused' in next ? next : next.effects;
    };
    expect(step(asked)).toEqual([{ type: 'roll-back', to: 'classifier@1.0.0' }]);
    expect(step({ ...asked, to: 'classifier@0.9.0' } as RolloutEvent)).toEqual([{ type: 'roll-back', to: 'classifier@0.9.0' }]);
  });
});
