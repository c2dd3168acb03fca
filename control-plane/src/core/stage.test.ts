import { RolloutPlan } from '@flotilla/protocol';
import { describe, expect, it } from 'vitest';
import {
  counts,
  done,
  look,
  measured,
  passes,
  pausing,
  phase,
  plan,
  play,
  resume,
  slow,
  start,
  written,
} from './rollout-play.js';
import { alarmsOf, planProblems } from './stage.js';

describe('failures of the place', () => {
  it('pause beyond their budget, whatever the plan does on a breach, and take nothing back', () => {
    const { state, did } = play([start, look(1, [[counts({ committed: 1, failedPlace: 1, timedOut: 1, rejected: 1 })]])]);
    expect(state).toMatchObject({
      phase: 'paused',
      reason: 'breach',
      detail: expect.stringMatching(/^3 of 4 devices .* for reasons of the place.*nothing is taken back$/),
    });
    expect(did).toEqual(['offer 0']);
  });
  it('are borne within their budget, at the threshold exactly', () =>
    expect(phase([start, look(1, [[counts({ open: 2, timedOut: 2 })]])])).toEqual(['running', 'activating', 'offer 0']));
  it('of one device alone never pause by themselves', () =>
    expect(phase([start, look(1, [[counts({ open: 0, waiting: 1, failedPlace: 1 })]])])).toEqual([
      'running',
      'activating',
      'offer 0',
      'offer 0',
    ]));
  it('that somebody accepted are not held against it again, later ones are', () => {
    const failed = (n: number) => look(1, [[counts({ open: 1, failedPlace: n })]]);
    expect(phase([start, failed(2), resume(2, 'the uplink was down'), failed(2)])).toEqual(['running', 'activating', 'offer 0']);
    expect(phase([start, failed(2), resume(2, 'the uplink was down'), failed(6)])).toEqual(['paused', 'breach', 'offer 0']);
  });
  it('are tried again when somebody says so', () => {
    expect(play([start, { type: 'retry', at: 1 }]).did).toEqual(['offer 0', 'retry-failed']);
    expect(play([{ type: 'retry', at: 1 }]).did).toEqual(['cannot retry a rollout that is draft']);
  });
});

describe('evidence', () => {
  const gated = RolloutPlan.parse({
    ...written,
    stages: [
      {
        name: 'canary',
        count: 2,
        soak: 5,
        deadline: 60,
        gates: [{ metric: 'errors', max: 0.01, minInferences: 1, margin: 0.3 }],
      },
      written.stages[1]!,
    ],
    gates: [
      { metric: 'errors', max: 0.5, minInferences: 1, margin: 0.9 },
      { metric: 'compute.mean', ratioToIncumbent: 1.5, dryRun: true },
    ],
  });
  const errorsOf = measured(10, 4).slice(1);
  it('is judged by the gates of its own stage', () => {
    expect(phase([start, look(1, [[done, errorsOf]])], gated)).toEqual(['rolling-back', 'offer 0', 'roll-back']);
    expect(phase([start, look(1, [[done, measured(10).slice(1)]])], gated)).toEqual(['running', 'soaking', 'offer 0']);
  });
  it('of a gate in a dry run decides nothing', () => {
    const dry = RolloutPlan.parse({ ...written, gates: [{ ...written.gates[0], dryRun: true }, written.gates[1]] });
    expect(phase([start, look(1, [[done, slow]]), look(7, [[done, slow]]), look(8, [[done, slow]])], dry)).toEqual([
      'running',
      'activating',
      'offer 0',
      'offer 1',
    ]);
  });
  it('that came against a stage after it had passed stops the rollout', () =>
    expect(phase([start, ...passes(0, 0), look(11, [[done, slow], [counts({ open: 2 })]])])).toEqual([
      'rolling-back',
      'offer 0',
      'offer 1',
      'roll-back',
    ]));
  it('that was accepted in one stage is accepted there only', () => {
    const first = [
      start,
      look(1, [[done, slow]]),
      resume(2, 'new lens'),
      look(3, [[done, slow]]),
      look(9, [[done, slow]]),
      look(10, [[done, slow]]),
    ];
    expect(phase(first, pausing)).toEqual(['running', 'activating', 'offer 0', 'offer 1']);
    expect(phase([...first, look(11, [[done, slow], [counts({ open: 2 })]])], pausing)).toEqual([
      'running',
      'activating',
      'offer 0',
      'offer 1',
    ]);
    expect(
      phase(
        [
          ...first,
          look(11, [
            [done, slow],
            [counts({ open: 2 }), slow],
          ]),
        ],
        pausing,
      ),
    ).toEqual(['paused', 'breach', 'offer 0', 'offer 1']);
  });
  it('is not waited for longer than the plan waits', () => {
    const hasty = RolloutPlan.parse({ ...written, evidence: { maxWait: 20 } });
    const until26 = [start, look(1, [[done]]), look(6, [[done]])];
    expect(phase([...until26, look(25, [[done]])], hasty)).toEqual(['running', 'analysing', 'offer 0']);
    expect(phase([...until26, look(26, [[done]])], hasty)).toEqual(['paused', 'inconclusive', 'offer 0']);
  });
  it('must be stronger the more tests could raise a false alarm', () => {
    expect(alarmsOf(plan, [1, 1])).toBe(6);
    expect(alarmsOf(plan, [2, 3])).toBe(15);
    expect(alarmsOf(plan, [])).toBe(6);
    expect(alarmsOf(gated, [1, 1])).toBe(2);
  });
});

describe('a plan', () => {
  it.each<[string, object, number[], string[]]>([
    ['may ask for an approval before a stage', { approval: { stages: ['rest'] } }, [2, 4], []],
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
    [
      'cannot offer a stage more slowly than its deadline allows',
      { pace: { perMinute: 2 } },
      [2, 5],
      ['stage "rest" could offer 4 of its 5 devices within its deadline: raise perMinute, bandwidth or deadline'],
    ],
    [
      'whose every gate is in a dry run would advance on hope',
      { gates: [{ ...written.gates[1], dryRun: true }] },
      [2, 4],
      [expect.stringContaining('no gate holds')],
    ],
    [
      'cannot ask for an approval of a stage that it has not',
      { approval: { stages: ['tenth'] } },
      [2, 4],
      ['approval names a stage "tenth", which the plan has not'],
    ],
  ])('%s', (_name, changes, sizes, problems) =>
    expect(planProblems(RolloutPlan.parse({ ...written, ...changes }), sizes)).toEqual(problems),
  );
});
