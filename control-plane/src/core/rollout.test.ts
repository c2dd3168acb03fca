import { RolloutPlan, type RolloutPlanInput } from '@flotilla/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { noCounts, type Counts } from './counts.js';
import { noEvidence, type Evidence } from './gate.js';
import { reduceRollout, type Observation, type RolloutEvent, type RolloutState } from './rollout.js';
import { planProblems } from './stage.js';

const written: RolloutPlanInput = {
  name: 'everywhere',
  release: 'classifier@1.1.0',
  slot: 'inspection',
  target: '*',
  stages: [
    { name: 'canary', count: 2, soak: 5, deadline: 60 },
    { name: 'rest', percent: 100, soak: 5, deadline: 60 },
  ],
  gates: [
    { metric: 'compute.mean', ratioToIncumbent: 1.5, minInferences: 100 },
    { metric: 'errors', max: 0.01, minInferences: 100 },
  ],
  success: { committed: 0.9, coverage: 0.8, maxDeferred: 0.25, deviceDeadline: 30 },
};
const plan = RolloutPlan.parse(written);
const pausing = RolloutPlan.parse({ ...written, onBreach: 'pause' });

const good: Evidence = {
  ok: 200,
  errors: 0,
  computeCpuUs: 2e6,
  paired: { devices: 2, ok: 200, computeCpuUs: 2e6, expectedCpuUs: 2e6 },
};
const slow: Evidence = { ...good, paired: { ...good.paired, computeCpuUs: 8e6 } };
const counts = (some: Partial<Counts>): Counts => ({ ...noCounts, ...some });
const done = counts({ committed: 2 });

const at = (seconds: number) => seconds * 1000;
const start: RolloutEvent = { type: 'start', at: 0 };
const look = (seconds: number, stages: [Counts, Evidence?][], rollingBack = 0): RolloutEvent => ({
  type: 'observed',
  at: at(seconds),
  observation: { stages: stages.map(([c, e]) => ({ counts: c, evidence: e ?? noEvidence })), rollingBack },
});
const pause = (seconds: number): RolloutEvent => ({ type: 'pause', at: at(seconds), reason: 'manual', detail: 'lunch' });
const resume = (seconds: number, accepting?: string): RolloutEvent => ({ type: 'resume', at: at(seconds), accepting });
/** One stage from offer to pass: covered, soaked, analysed. */
const passes = (from: number, stage: number, before: [Counts, Evidence?][] = []): RolloutEvent[] =>
  [1, 7, 8].map((s) => look(from + s, [...before.slice(0, stage), [done, good]]));

/** Folds events; a refused one leaves the state as it was. */
function play(events: RolloutEvent[], by = plan) {
  let state: RolloutState = { phase: 'draft' };
  const did: string[] = [];
  for (const event of events) {
    const step = reduceRollout(by, state, event);
    if ('refused' in step) did.push(step.refused);
    else {
      state = step.state;
      did.push(...step.effects.map((e) => (e.type === 'offer-stage' ? `offer ${e.stage}` : e.type)));
    }
  }
  return { state, did };
}
const phase = (events: RolloutEvent[], by = plan) => {
  const { state, did } = play(events, by);
  return [state.phase, ...('reason' in state ? [state.reason] : 'stagePhase' in state ? [state.stagePhase] : []), ...did];
};

describe('a rollout', () => {
  it.each<[string, RolloutEvent[], string[]]>([
    ['offers its first stage when started', [start], ['running', 'activating', 'offer 0']],
    ['starts only once', [start, start], ['running', 'activating', 'offer 0', 'cannot start a rollout that is running']],
    ['waits while devices are open', [start, look(1, [[counts({ open: 2 })]])], ['running', 'activating', 'offer 0']],
    ['soaks when enough devices decided', [start, look(1, [[done]])], ['running', 'soaking', 'offer 0']],
    ['goes on soaking', [start, look(1, [[done]]), look(5, [[done, good]])], ['running', 'soaking', 'offer 0']],
    ['then looks at the evidence', [start, look(1, [[done]]), look(6, [[done]])], ['running', 'analysing', 'offer 0']],
    [
      'waits for the evidence',
      [start, look(1, [[done]]), look(6, [[done]]), look(9, [[done]])],
      ['running', 'analysing', 'offer 0'],
    ],
    ['offers the next stage on evidence', [start, ...passes(0, 0)], ['running', 'activating', 'offer 0', 'offer 1']],
    [
      'is complete after its last stage',
      [start, ...passes(0, 0), ...passes(10, 1, [[done, good]])],
      ['completed', 'offer 0', 'offer 1'],
    ],
    [
      'is inconclusive when the evidence does not come',
      [start, look(1, [[done]]), look(6, [[done]]), look(61, [[done]])],
      ['paused', 'inconclusive', 'offer 0'],
    ],
    ['never advances on an empty stage', [start, look(1, [[noCounts]])], ['paused', 'inconclusive', 'offer 0']],
    [
      'passes a stage whose devices all had the release',
      [start, look(1, [[counts({ already: 2 })]])],
      ['running', 'activating', 'offer 0', 'offer 1'],
    ],
    [
      'does not advance because all are terminal',
      [start, look(1, [[counts({ failedPlace: 2 })]])],
      ['paused', 'inconclusive', 'offer 0'],
    ],
    [
      'is inconclusive at the deadline with open devices',
      [start, look(61, [[counts({ open: 2 })]])],
      ['paused', 'inconclusive', 'offer 0'],
    ],
    [
      'bears a deferred device within maxDeferred',
      [start, look(1, [[counts({ committed: 3, deferred: 1 })]])],
      ['running', 'soaking', 'offer 0'],
    ],
    [
      'does not bear more deferred devices',
      [start, look(1, [[counts({ committed: 2, deferred: 1 })]])],
      ['paused', 'inconclusive', 'offer 0'],
    ],
    [
      'does not count an unproven device as decided',
      [start, look(1, [[counts({ committed: 1, unproven: 1 })]])],
      ['paused', 'inconclusive', 'offer 0'],
    ],
    [
      'advances at the coverage threshold exactly',
      [start, look(1, [[counts({ committed: 4, failedPlace: 1 })]])],
      ['running', 'soaking', 'offer 0'],
    ],
    [
      'rolls back when success is out of reach',
      [start, look(1, [[counts({ committed: 1, failedArtifact: 1 })]])],
      ['rolling-back', 'offer 0', 'roll-back'],
    ],
    [
      'rolls back at the first certain failure, others still open',
      [start, look(1, [[counts({ open: 1, failedArtifact: 1 })]])],
      ['rolling-back', 'offer 0', 'roll-back'],
    ],
    [
      'stands a failure that success can bear',
      [start, look(1, [[counts({ open: 1, committed: 18, failedArtifact: 1 })]])],
      ['running', 'soaking', 'offer 0'],
    ],
    [
      'rolls back on a breached gate while activating',
      [start, look(1, [[counts({ open: 2 }), slow]])],
      ['rolling-back', 'offer 0', 'roll-back'],
    ],
    [
      'counts failures that came after their stage passed',
      [start, ...passes(0, 0), look(11, [[counts({ committed: 1, failedArtifact: 1 })], [counts({ open: 2 })]])],
      ['rolling-back', 'offer 0', 'offer 1', 'roll-back'],
    ],
    [
      'is rolled back when every device has confirmed',
      [start, look(1, [[done, slow]]), look(2, [], 1), look(3, [], 0)],
      ['rolled-back', 'offer 0', 'roll-back'],
    ],
    [
      'says which roll back is incomplete',
      [start, look(1, [[done, slow]]), look(32, [], 1)],
      ['rollback-incomplete', 'offer 0', 'roll-back'],
    ],
    [
      'notices the late return',
      [start, look(1, [[done, slow]]), look(32, [], 1), look(33, [], 1), look(90, [], 0)],
      ['rolled-back', 'offer 0', 'roll-back'],
    ],
    ['pauses and resumes', [start, pause(1), resume(2)], ['running', 'activating', 'offer 0']],
    ['pauses only when running', [pause(1)], ['draft', 'cannot pause a rollout that is draft']],
    [
      'resumes only when paused',
      [start, resume(1)],
      ['running', 'activating', 'offer 0', 'cannot resume a rollout that is running'],
    ],
    ['looks at nothing while paused', [start, pause(1), look(2, [[done, slow]])], ['paused', 'manual', 'offer 0']],
    [
      'begins its soak anew after a pause',
      [start, look(1, [[done]]), pause(2), resume(60), look(62, [[done, good]])],
      ['running', 'soaking', 'offer 0'],
    ],
    [
      'asks why before an inconclusive stage goes on',
      [start, look(61, [[counts({ open: 2 })]]), resume(62)],
      [
        'paused',
        'inconclusive',
        'offer 0',
        'an inconclusive stage is resumed only with a reason (0 of 2 devices decided (2 open, 0 unproven, 0 failed for reasons of the place, 0 timed out, 0 rejected, 0 offline))',
      ],
    ],
    [
      'goes on with thin coverage when somebody says why',
      [
        start,
        look(1, [[counts({ committed: 1, failedPlace: 1 })]]),
        resume(2, 'cable is cut'),
        look(3, [[counts({ committed: 1, failedPlace: 1 })]]),
      ],
      ['running', 'soaking', 'offer 0'],
    ],
    [
      'still waits for open devices then',
      [start, look(61, [[counts({ open: 2 })]]), resume(62, 'let it try'), look(63, [[counts({ open: 2 })]])],
      ['running', 'activating', 'offer 0'],
    ],
    [
      'goes on without evidence when somebody says why',
      [start, look(1, [[done]]), look(6, [[done]]), look(61, [[done]]), resume(62, 'camera is off'), look(63, [[done]])],
      ['running', 'activating', 'offer 0', 'offer 1'],
    ],
    ['can be cancelled', [start, { type: 'cancel', at: 1 }], ['cancelled', 'offer 0']],
    ['can be cancelled as a draft', [{ type: 'cancel', at: 1 }], ['cancelled']],
    [
      'is cancelled only once',
      [
        { type: 'cancel', at: 1 },
        { type: 'cancel', at: 1 },
      ],
      ['cancelled', 'cannot cancel a rollout that is cancelled'],
    ],
    [
      'can be taken back by hand',
      [start, { type: 'roll-back', at: 1, detail: 'asked' }],
      ['rolling-back', 'offer 0', 'roll-back'],
    ],
    [
      'can be taken back when complete',
      [start, ...passes(0, 0), ...passes(10, 1, [[done, good]]), { type: 'roll-back', at: 99, detail: 'asked' }],
      ['rolling-back', 'offer 0', 'offer 1', 'roll-back'],
    ],
    [
      'cannot be taken back as a draft',
      [{ type: 'roll-back', at: 1, detail: 'asked' }],
      ['draft', 'cannot roll-back a rollout that is draft'],
    ],
    ['looks at nothing as a draft', [look(1, [])], ['draft']],
    ['counts what it cannot see as nothing', [start, look(1, [])], ['paused', 'inconclusive', 'offer 0']],
  ])('%s', (_name, events, expected) => expect(phase(events)).toEqual(expected));

  it('says why it was taken back, with the figures', () => {
    const { state } = play([start, look(1, [[counts({ committed: 1, failedArtifact: 1 }), slow]])]);
    expect(state).toMatchObject({
      detail:
        '1 of 2 devices of the stage failed on the release; 90 % must commit; mean compute 40 ms against 10 ms on the same 2 devices, ratio 4.00 over limit 1.5, 200 inferences',
    });
  });
});

describe('a rollout that pauses on a breach', () => {
  const breached = [start, look(1, [[done, slow]])];
  it('waits for somebody to own it', () =>
    expect(phase([...breached, resume(2)], pausing)).toEqual([
      'paused',
      'breach',
      'offer 0',
      expect.stringMatching(/^a breach is resumed only with a reason \(mean compute/),
    ]));
  it('then goes on without the accepted gate', () =>
    expect(phase([...breached, resume(2, 'new lens'), look(3, [[done, slow]])], pausing)).toEqual([
      'running',
      'soaking',
      'offer 0',
    ]));
  it('goes on past the accepted failures, and breaches on one more', () => {
    const failed = (n: number) => look(1, [[counts({ committed: 2, failedArtifact: n })]]);
    expect(phase([start, failed(1), resume(2, 'a broken board'), failed(1)], pausing)).toEqual(['running', 'soaking', 'offer 0']);
    expect(phase([start, failed(1), resume(2, 'a broken board'), failed(2)], pausing)).toEqual(['paused', 'breach', 'offer 0']);
  });
  it('does not pass on accepted failures alone', () =>
    expect(
      phase(
        [
          start,
          look(1, [[counts({ failedArtifact: 2 })]]),
          resume(2, 'broken boards'),
          look(3, [[counts({ failedArtifact: 2 })]]),
        ],
        pausing,
      ),
    ).toEqual(['paused', 'inconclusive', 'offer 0']));
  it('keeps what was accepted over a second pause', () =>
    expect(
      phase([...breached, resume(2, 'new lens'), look(3, [[done, slow]]), pause(4), resume(5), look(6, [[done, slow]])], pausing),
    ).toEqual(['running', 'soaking', 'offer 0']));
});

describe('a plan', () => {
  it.each<[string, object, number[], string[]]>([
    ['with devices in each stage is fine', {}, [2, 4], []],
    ['with an empty stage can never progress', {}, [2, 0], ['stage "rest" would have no device']],
    [
      'needs a gate that holds without an incumbent',
      { gates: [written.gates[0]] },
      [2, 4],
      ['no gate holds without an incumbent: add one on errors, or compute.mean with maxMs'],
    ],
    [
      'cannot ask for more decisions than a stage has devices',
      { success: { minDecided: 3 } },
      [2, 4],
      ['stage "canary" has 2 devices but minDecided is 3'],
    ],
  ])('%s', (_name, changes, sizes, problems) =>
    expect(planProblems(RolloutPlan.parse({ ...written, ...changes }), sizes)).toEqual(problems),
  );
});

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
  const someStage = fc.record({ counts: someCounts, evidence: fc.constantFrom(noEvidence, good, slow) });
  const observation = fc.record<Observation>({ stages: fc.array(someStage, { minLength: 2, maxLength: 2 }), rollingBack: n });
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

  it('offers each stage once and in order', () =>
    fc.assert(
      fc.property(events, (list) => {
        const offered = trail([start, ...list], plan)
          .flatMap((s) => s.effects)
          .flatMap((e) => (e.type === 'offer-stage' ? [e.stage] : []));
        expect(offered).toEqual([0, 1].slice(0, offered.length));
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
  it('never offers a stage in the same breath as a breach', () =>
    fc.assert(
      fc.property(events, (list) => {
        for (const { event: e, before, effects } of trail([start, ...list], plan)) {
          if (e.type !== 'observed' || before.phase !== 'running' || !effects.some((x) => x.type === 'offer-stage')) continue;
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
