import { RolloutPlan } from '@flotilla/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Counts } from './counts.js';
import { reduceRollout, type Observation, type RolloutEvent, type RolloutState } from './rollout.js';
import { alarms, good, none, pausing, plan, play, slow, start, written } from './rollout-play.js';

describe('in any order of events', () => {
  const n = fc.nat({ max: 4 });
  const someCounts = fc.record<Counts>({
    already: n,
    waiting: n,
    open: n,
    committed: n,
    unproven: n,
    failedArtifact: n,
    failedPlace: n,
    timedOut: n,
    rejected: n,
    deferred: n,
    rolledBack: n,
  });
  const someStage = fc.record({ counts: someCounts, gates: fc.constantFrom(none, good, slow) });
  const observation = fc.record<Observation>({
    stages: fc.array(someStage, { minLength: 2, maxLength: 2 }),
    rollingBack: n,
    alarms: fc.constant(alarms),
  });
  const time = fc.nat({ max: 200_000 });
  const event = fc.oneof(
    { weight: 6, arbitrary: fc.record({ type: fc.constant('observed' as const), at: time, observation }) },
    fc.record({ type: fc.constantFrom('start' as const, 'cancel' as const), at: time }),
    fc.record({
      type: fc.constant('pause' as const),
      at: time,
      reason: fc.constant('manual' as const),
      detail: fc.constant('x'),
    }),
    fc.record({ type: fc.constant('resume' as const), at: time, accepting: fc.constantFrom(undefined, 'because') }),
  );
  const events = fc.array(event, { maxLength: 40 });
  /** Every state and effect on the way. */
  const trail = (list: RolloutEvent[], by: RolloutPlan) => {
    let state: RolloutState = { phase: 'draft' };
    return list.map((e) => {
      const before = state;
      const step = reduceRollout(by, state, e);
      if (!('refused' in step)) state = step.state;
      return { event: e, before, after: state, effects: 'refused' in step ? [] : step.effects };
    });
  };

  it('offers stages in order, each only when it is the one under way', () =>
    fc.assert(
      fc.property(events, (list) => {
        for (const { before, after, effects } of trail([start, ...list], plan)) {
          for (const effect of effects) {
            if (effect.type !== 'offer-stage') continue;
            expect(after).toMatchObject({ phase: 'running', stage: effect.stage });
            expect(effect.stage - ('stage' in before ? before.stage : -1)).toBeLessThanOrEqual(1);
          }
        }
      }),
    ));
  it('never goes on from a breach without a recorded reason', () =>
    fc.assert(
      fc.property(events, (list) => {
        for (const { event: e, before, after } of trail([start, ...list], pausing)) {
          if (before.phase !== 'paused' || before.reason !== 'breach' || after.phase !== 'running') continue;
          expect(e).toMatchObject({ type: 'resume', accepting: 'because' });
        }
      }),
    ));
  it('never offers anything on a look that shows a breach which nobody accepted', () =>
    fc.assert(
      fc.property(events, (list) => {
        for (const { event: e, before, effects } of trail([start, ...list], pausing)) {
          if (e.type !== 'observed' || before.phase !== 'running' || before.accepted) continue;
          const seen = e.observation.stages.slice(0, before.stage + 1);
          if (seen.some((stage) => stage.gates === slow)) expect(effects).toEqual([]);
        }
      }),
    ));
  it('never has more under way than the plan allows', () => {
    const paced = RolloutPlan.parse({ ...written, pace: { maxInFlight: 3, perMinute: 2, growth: 2 } });
    fc.assert(
      fc.property(events, (list) => {
        for (const { event: e, effects } of trail([start, ...list], paced)) {
          for (const effect of effects) {
            if (effect.type !== 'offer-stage' || e.type !== 'observed') continue;
            const open = e.observation.stages.reduce((sum, stage) => sum + stage.counts.open, 0);
            expect(open + effect.most!).toBeLessThanOrEqual(3);
          }
        }
      }),
    );
  });
  it('ends for good: nothing moves a rollout that was cancelled, rejected, superseded or killed', () =>
    fc.assert(
      fc.property(
        events,
        fc.constantFrom('cancelled' as const, 'rejected' as const, 'superseded' as const, 'killed' as const),
        (list, ended) => {
          let state: RolloutState = { phase: ended, detail: 'x' };
          for (const e of list) {
            const step = reduceRollout(plan, state, e);
            if ('refused' in step) continue;
            expect(step).toEqual({ state, effects: [] });
            state = step.state;
          }
        },
      ),
    ));
  it('never offers a stage in the same breath as a breach', () =>
    fc.assert(
      fc.property(events, (list) => {
        for (const { event: e, before, effects } of trail([start, ...list], plan)) {
          if (e.type !== 'observed' || before.phase !== 'running') continue;
          if (!effects.some((x) => x.type === 'offer-stage' && x.stage > before.stage)) continue;
          expect(
            e.observation.stages[before.stage]!.counts.committed + e.observation.stages[before.stage]!.counts.already,
          ).toBeGreaterThan(0);
        }
      }),
    ));
  it('gives the same state when its accepted events are replayed', () =>
    fc.assert(
      fc.property(events, (list) => {
        const steps = trail(list, plan);
        const accepted = steps.filter((s) => s.after !== s.before).map((s) => s.event);
        expect(play(accepted).state).toEqual(steps.at(-1)?.after ?? { phase: 'draft' });
      }),
    ));
});
