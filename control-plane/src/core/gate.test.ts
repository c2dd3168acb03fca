import { RolloutPlan, type PlanGate } from '@flotilla/protocol';
import { describe, expect, it } from 'vitest';
import type { Baseline } from './baseline.js';
import { addEvidence, evidenceOf, joining, noEvidence, type GateEvidence } from './evidence.js';
import { isAbsolute, judgeGate, oddsOf } from './gate.js';
import type { Sample } from './sample.js';

const gate = (written: object): PlanGate => RolloutPlan.shape.gates.element.parse(written);
const ratio = gate({ metric: 'compute.mean', ratioToIncumbent: 1.5, minInferences: 100, margin: 0.3 });
const absolute = gate({ metric: 'compute.mean', maxMs: 30, minInferences: 100, margin: 0.3 });
const errors = gate({ metric: 'errors', max: 0.01, minInferences: 100, margin: 0.3 });
const odds = { breach: 100, pass: 5 };
const incumbent: Baseline = {
  windows: 40,
  inferences: 2000,
  computeMeanUs: 9000,
  computeP95Us: 10_000,
  computeP50Us: 9000,
  wallP95Us: 20_000,
  rssP95Bytes: 1e8,
  verdicts: { given: 400, wrong: 12 },
};

/** So many windows of ten inferences at `ms` of compute each. */
const windows = (
  by: PlanGate,
  n: number,
  ms: number,
  more: Partial<Sample> = {},
  baseline: Baseline | undefined = incumbent,
): GateEvidence => {
  const seen: Sample = {
    ok: 10,
    errors: 0,
    sheds: 0,
    computeCpuUs: 10_000 * ms,
    slow: {},
    total: { first: 0, counts: [] },
    ...more,
  };
  const each = Array.from({ length: n }, () => evidenceOf(by, 'k', seen, baseline) ?? noEvidence);
  return each.reduce(addEvidence, joining(baseline !== undefined || isAbsolute(by)));
};
const judge = (by: PlanGate, evidence: GateEvidence) => judgeGate(by, { x64: evidence }, odds);

describe('a gate on compute time against the incumbent', () => {
  it('breaches with its figures and its evidence in words', () => {
    expect(judge(ratio, windows(ratio, 3, 41))).toEqual({
      metric: 'compute.mean',
      verdict: 'breach',
      evidence:
        'mean compute 41 ms against 9.0 ms on the same device, ratio 4.56, limit 1.5 exceeded in 3 of 3 windows, 30 inferences; evidence against it 1005 of 100 needed',
      inferences: 30,
      value: 41 / 9,
      limit: 1.5,
      strata: [
        {
          hardwareClass: 'x64',
          verdict: 'breach',
          windows: 3,
          inferences: 30,
          breach: { capital: expect.closeTo(1006, 0), needed: 100 },
          pass: { capital: expect.closeTo(0.4645, 4), needed: 5 },
        },
      ],
    });
  });

  it.each<[string, GateEvidence, string, RegExp]>([
    [
      'waits for the evidence that stops it',
      windows(ratio, 2, 41),
      'insufficient',
      /^mean compute 41 ms .*; 20 of 100 inferences needed, evidence 0.5 of 5 needed, against it 74 of 100$/,
    ],
    ['waits for the evidence that passes it', windows(ratio, 9, 9, { ok: 20 }), 'insufficient', /evidence 4.6 of 5 needed$/],
    [
      'waits for its minimum sample',
      windows(ratio, 9, 9),
      'insufficient',
      /; 90 of 100 inferences needed, evidence 4.6 of 5 needed$/,
    ],
    [
      'passes after ten faultless windows',
      windows(ratio, 10, 9),
      'pass',
      /exceeded in 0 of 10 windows, 100 inferences; evidence 5.\d of 5 needed$/,
    ],
    [
      'waits while a paired device has not inferred yet',
      joining(true),
      'insufficient',
      /^0 of 100 inferences needed, evidence 1 of 5 needed$/,
    ],
    ['does not apply without an incumbent', joining(false), 'not-applicable', /^no baseline/],
  ])('%s', (_name, evidence, verdict, words) => {
    const found = judge(ratio, evidence);
    expect(found).toMatchObject({ verdict, evidence: expect.stringMatching(words) });
  });

  it('is judged in each hardware class: one breaches for all, and is named', () => {
    const strata = { jetson: windows(ratio, 3, 41), x64: windows(ratio, 10, 9) };
    expect(judgeGate(ratio, strata, odds)).toMatchObject({
      verdict: 'breach',
      evidence: expect.stringMatching(/^on jetson: mean compute 41/),
    });
  });
  it('passes when every class that can be compared has passed, with the figures of all', () => {
    const strata = { jetson: windows(ratio, 10, 9), x64: windows(ratio, 10, 12), old: joining(false) };
    expect(judgeGate(ratio, strata, odds)).toMatchObject({
      verdict: 'pass',
      inferences: 200,
      evidence: expect.stringContaining('on the same 2 devices'),
    });
  });
  it('waits for the class that has shown too little', () =>
    expect(judgeGate(ratio, { jetson: windows(ratio, 3, 9), x64: windows(ratio, 10, 9) }, odds)).toMatchObject({
      verdict: 'insufficient',
      evidence: expect.stringMatching(/^on jetson: .*30 of 100/),
    }));
  it('waits where nothing is known of anybody', () => expect(judgeGate(ratio, {}, odds).verdict).toBe('insufficient'));
});

describe('other gates', () => {
  const wall = gate({ metric: 'wall.p95', ratioToIncumbent: 1.2, minInferences: 10, margin: 0.3 });
  const plainWall = gate({ metric: 'wall.p99', maxMs: 50, minInferences: 10, margin: 0.3 });
  const memory = gate({ metric: 'memory', maxMb: 90, minInferences: 10, margin: 0.3 });
  const memoryRatio = gate({ metric: 'memory', ratioToIncumbent: 1.1, minInferences: 10, margin: 0.3 });
  const sheds = gate({ metric: 'sheds', max: 0.01, minInferences: 10, margin: 0.3 });
  const restarts = gate({ metric: 'restarts', max: 0.01, minInferences: 10, margin: 0.3 });
  const feedback = gate({ metric: 'feedback.rejected', max: 0.02, minInferences: 10, margin: 0.3 });
  const feedbackRatio = gate({ metric: 'feedback.rejected', ratioToIncumbent: 1.5, minInferences: 10, margin: 0.4 });
  const temperature = gate({ metric: 'temperature', maxC: 80, minInferences: 10, margin: 0.3 });
  const throttling = gate({ metric: 'throttling', max: 0.01, minInferences: 10, margin: 0.3 });
  const verdicts = (given: number, wrong: number) => ({ verdicts: { given, wrong } });
  const held = (ms: number) => ({ throttled: { ms, ofMs: 10_000 } });
  it.each<[string, PlanGate, GateEvidence, string, RegExp]>([
    [
      'compute within a plain limit',
      absolute,
      windows(absolute, 10, 30),
      'pass',
      /^mean compute 30 ms, limit 30 ms exceeded in 0 of 10 windows/,
    ],
    ['compute above it', absolute, windows(absolute, 3, 31), 'breach', /^mean compute 31 ms, limit 30 ms exceeded in 3 of 3/],
    [
      'errors',
      errors,
      windows(errors, 3, 9, { ok: 8, errors: 2 }),
      'breach',
      /^6 of 30 inferences failed \(20.00 %\), limit 1.00 %; evidence against/,
    ],
    ['few errors', errors, windows(errors, 10, 9), 'pass', /^0 of 100 inferences failed/],
    ['sheds', sheds, windows(sheds, 3, 9, { ok: 5, sheds: 5 }), 'breach', /^15 of 30 requests were shed \(50.00 %\)/],
    ['restarts', restarts, windows(restarts, 2, 9, { restarts: 1 }), 'breach', /^2 restarts in 2 windows, limit 1.00 %/],
    [
      'wall time',
      wall,
      windows(wall, 10, 9, { slow: { k: 0 } }),
      'pass',
      /^0 of 100 inferences took longer than 1.2 times the incumbent's p95/,
    ],
    [
      'wall time against a plain limit',
      plainWall,
      windows(plainWall, 3, 9, { slow: { k: 5 } }),
      'breach',
      /^15 of 30 inferences took longer than 50 ms \(50.00 %\)/,
    ],
    [
      'memory',
      memory,
      windows(memory, 3, 9, { rssBytes: 95e6 }),
      'breach',
      /^95 MB on average, limit 90 MB exceeded in 3 of 3 windows/,
    ],
    [
      'memory against the incumbent',
      memoryRatio,
      windows(memoryRatio, 10, 9, { rssBytes: 95e6 }),
      'pass',
      /^95 MB on average, limit 1.1 exceeded in 0 of 10/,
    ],
    [
      'verdicts',
      feedback,
      windows(feedback, 3, 9, verdicts(4, 3)),
      'breach',
      /^9 of 12 verdicts say wrong \(75.00 %\), limit 2.00 %; evidence against it/,
    ],
    ['good verdicts', feedback, windows(feedback, 10, 9, verdicts(1, 0)), 'pass', /^0 of 10 verdicts say wrong/],
    [
      'few verdicts',
      feedback,
      windows(feedback, 9, 9, verdicts(1, 0)),
      'insufficient',
      /; 9 of 10 verdicts needed, evidence [\d.]+ of 5 needed$/,
    ],
    [
      'verdicts against the incumbent’s',
      feedbackRatio,
      windows(feedbackRatio, 9, 9, verdicts(4, 2)),
      'breach',
      /^18 of 36 verdicts say wrong \(50.00 %\) against 3.00 % of the incumbent's on the same device, ratio 16.67, limit 1.5;/,
    ],
    [
      'verdicts against an incumbent that was never wrong',
      feedbackRatio,
      windows(feedbackRatio, 10, 9, verdicts(4, 0), { ...incumbent, verdicts: { given: 400, wrong: 0 } }),
      'pass',
      /^0 of 40 verdicts say wrong \(0.00 %\) against 0.00 % of the incumbent's on the same device, limit 1.5;/,
    ],
    [
      'no baseline of verdicts',
      feedbackRatio,
      joining(false),
      'not-applicable',
      /^no baseline: too few verdicts on an incumbent to compare with$/,
    ],
    [
      'temperature',
      temperature,
      windows(temperature, 3, 9, { temperatureMaxC: 84.25 }),
      'breach',
      /^at most 84.3 °C on average, limit 80 °C exceeded in 3 of 3 windows; evidence against/,
    ],
    [
      'a cool board',
      temperature,
      windows(temperature, 10, 9, { temperatureMaxC: 61 }),
      'pass',
      /^at most 61 °C on average, limit 80 °C exceeded in 0 of 10 windows/,
    ],
    ['throttling', throttling, windows(throttling, 3, 9, held(4000)), 'breach', /^held back for 40.00 % of 30 s, limit 1.00 %;/],
    ['a board at ease', throttling, windows(throttling, 10, 9, held(0)), 'pass', /^held back for 0.00 % of 2 min, limit 1.00 %;/],
    [
      'a board without a sensor, which never passes',
      temperature,
      windows(temperature, 40, 9),
      'insufficient',
      /^no temperature was told: without a sensor this gate never passes; 0 of 10 inferences needed/,
    ],
    [
      'a board that can’t tell, which never passes',
      throttling,
      windows(throttling, 40, 9),
      'insufficient',
      /^nothing tells whether the board was held back: /,
    ],
    [
      'a line without feedback, which never passes',
      feedback,
      windows(feedback, 40, 9),
      'insufficient',
      /^nobody has said whether predictions were right: .*; 0 of 10 verdicts needed/,
    ],
  ])('speak of %s', (_name, by, evidence, verdict, words) =>
    expect(judge(by, evidence)).toMatchObject({ verdict, evidence: expect.stringMatching(words) }),
  );

  it('that nothing measures yet say so', () => {
    const drift = gate({ metric: 'drift.input', max: 0.01, dryRun: true });
    expect(judge(drift, joining(true))).toMatchObject({
      verdict: 'insufficient',
      dryRun: true,
      evidence: 'nothing measures it yet',
    });
    expect(judge(drift, { ...noEvidence, windows: 1 }).evidence).toBe('nothing measures it yet');
  });
  it('never show more evidence than there is', () => {
    expect(judge(errors, windows(errors, 60, 9, { ok: 0, errors: 10 })).evidence).toMatch(/over a million, 100 needed$/);
    expect(judge(errors, windows(errors, 60, 9, { ok: 0, errors: 10 })).strata[0]!.breach.capital).toBe(1e9);
  });
  it('on what a board or a line can’t tell say so in a dry run, too', () => {
    const dry = gate({ metric: 'temperature', maxC: 80, dryRun: true });
    expect(judge(dry, windows(dry, 40, 9))).toMatchObject({
      verdict: 'insufficient',
      dryRun: true,
      evidence: expect.stringMatching(/^no temperature was told/),
    });
  });
  it('are absolute where they need no incumbent, and decide', () =>
    expect([ratio, absolute, errors, gate({ metric: 'drift.input', max: 0.1, dryRun: true })].map(isAbsolute)).toEqual([
      false,
      true,
      true,
      false,
    ]));
});

describe('odds', () => {
  const evidence = RolloutPlan.shape.evidence.parse({ falseAlarm: 0.01, pass: 0.2 });
  it('share the false alarms of a rollout out among all that might raise one', () =>
    expect(oddsOf(evidence, 6)).toEqual({ breach: 600, pass: 5 }));
  it('leave all to one where there is nothing to share', () => expect(oddsOf(evidence, 0)).toEqual({ breach: 100, pass: 5 }));
});

describe('a gate as it is written', () => {
  it.each<[string, object, RegExp]>([
    [
      'with a margin within what is acceptable',
      { metric: 'errors', max: 0.05, margin: 0.04 },
      /margin must be above what is acceptable \(0.05\)/,
    ],
    ['of drift that would decide', { metric: 'drift.input', max: 0.05 }, /dryRun: true only/],
    ['with two limits', { metric: 'wall.p95', maxMs: 5, ratioToIncumbent: 2 }, /exactly one of/],
    ['on feedback with two limits', { metric: 'feedback.rejected', max: 0.1, ratioToIncumbent: 2 }, /exactly one of max and/],
    ['on temperature without one', { metric: 'temperature' }, /maxC/],
    ['without a limit', { metric: 'memory' }, /exactly one of ratioToIncumbent and maxMb/],
    ['that nobody knows', { metric: 'mood', max: 1 }, /./],
  ])('%s is refused', (_name, written, words) => {
    const result = RolloutPlan.shape.gates.element.safeParse(written);
    expect(result.success).toBe(false);
    expect(JSON.stringify(result.error)).toMatch(words);
  });
});
