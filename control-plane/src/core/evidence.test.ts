import { type InferenceWindow, RolloutPlan, sketchOf, type PlanGate } from '@flotilla/protocol';
import { describe, expect, it } from 'vitest';
import { isComparable, limitOn, isUnsteady, slowLimits, termsOn, trusted, type Baseline } from './baseline.js';
import { addEvidence, evidenceOf, joining, noEvidence } from './evidence.js';
import { collect, sampleOf, type Sample } from './sample.js';

const gate = (written: object): PlanGate => RolloutPlan.shape.gates.element.parse(written);
const incumbent: Baseline = {
  windows: 40,
  inferences: 2000,
  computeMeanUs: 9000,
  computeP95Us: 10_000,
  computeP50Us: 9000,
  wallP95Us: 20_000,
  wallP99Us: 30_000,
  rssP95Bytes: 100e6,
};
const sample = (more: Partial<Sample> = {}): Sample => ({
  ok: 50,
  errors: 0,
  sheds: 0,
  computeCpuUs: 50 * 9000,
  slow: {},
  total: sketchOf(Array<number>(50).fill(15_000)),
  ...more,
});
const x = (written: object, seen: Sample, baseline: Baseline | undefined = incumbent) =>
  evidenceOf(gate(written), 'k', seen, baseline)?.over;

describe('a window as a fraction', () => {
  const computeRatio = { metric: 'compute.mean', ratioToIncumbent: 1.5 };
  const wallRatio = { metric: 'wall.p95', ratioToIncumbent: 1.2 };
  it.each<[string, object, Sample, Baseline | undefined, number | undefined]>([
    ['compute within its limit', computeRatio, sample(), incumbent, 0],
    ['compute at its limit exactly', computeRatio, sample({ computeCpuUs: 50 * 15_000 }), incumbent, 0],
    ['compute over its limit', computeRatio, sample({ computeCpuUs: 50 * 15_001 }), incumbent, 1],
    ['compute without an incumbent', computeRatio, sample(), undefined, undefined],
    ['compute without an inference that succeeded', computeRatio, sample({ ok: 0, errors: 9 }), incumbent, undefined],
    ['compute over a plain limit', { metric: 'compute.mean', maxMs: 8 }, sample(), undefined, 1],
    ['wall time, counted by the device', wallRatio, sample({ slow: { k: 5 } }), incumbent, 0.1],
    [
      'wall time, counted by bins',
      wallRatio,
      sample({ total: sketchOf([...Array<number>(45).fill(9000), ...Array<number>(5).fill(30_000)]) }),
      incumbent,
      0.1,
    ],
    ['wall time without an incumbent', wallRatio, sample(), undefined, undefined],
    ['wall time over a plain limit', { metric: 'wall.p99', maxMs: 10 }, sample({ slow: { k: 25 } }), undefined, 0.5],
    ['wall p99', { metric: 'wall.p99', ratioToIncumbent: 1 }, sample({ slow: { k: 1 } }), incumbent, 0.02],
    ['wall p95 over a plain limit', { metric: 'wall.p95', maxMs: 10 }, sample({ slow: { k: 0 } }), undefined, 0],
    ['errors', { metric: 'errors', max: 0.01 }, sample({ ok: 45, errors: 5 }), undefined, 0.1],
    ['errors of a window without an inference', { metric: 'errors', max: 0.01 }, sample({ ok: 0 }), undefined, undefined],
    ['sheds', { metric: 'sheds', max: 0.01 }, sample({ ok: 30, sheds: 20 }), undefined, 0.4],
    ['a restart', { metric: 'restarts', max: 0.01 }, sample({ restarts: 2 }), undefined, 1],
    ['no restart', { metric: 'restarts', max: 0.01 }, sample(), undefined, 0],
    ['memory over a plain limit', { metric: 'memory', maxMb: 90 }, sample({ rssBytes: 91e6 }), undefined, 1],
    ['memory within the ratio', { metric: 'memory', ratioToIncumbent: 1.2 }, sample({ rssBytes: 110e6 }), incumbent, 0],
    ['memory that nobody measured', { metric: 'memory', maxMb: 90 }, sample(), undefined, undefined],
    ['verdicts', { metric: 'feedback.rejected', max: 0.02 }, sample({ verdicts: { given: 8, wrong: 2 } }), undefined, 0.25],
    ['no verdict', { metric: 'feedback.rejected', max: 0.02 }, sample(), undefined, undefined],
    [
      'verdicts against an incumbent of which nobody said anything',
      { metric: 'feedback.rejected', ratioToIncumbent: 1.5 },
      sample({ verdicts: { given: 8, wrong: 2 } }),
      incumbent,
      undefined,
    ],
    ['a board at the limit', { metric: 'temperature', maxC: 80 }, sample({ temperatureMaxC: 80 }), undefined, 0],
    ['a board above it', { metric: 'temperature', maxC: 80 }, sample({ temperatureMaxC: 80.1 }), undefined, 1],
    ['a board without a sensor', { metric: 'temperature', maxC: 80 }, sample(), undefined, undefined],
    [
      'a board that was held back',
      { metric: 'throttling', max: 0.01 },
      sample({ throttled: { ms: 2500, ofMs: 10_000 } }),
      undefined,
      0.25,
    ],
    ['a board that can’t tell', { metric: 'throttling', max: 0.01 }, sample(), undefined, undefined],
    ['drift, which nothing measures', { metric: 'drift.input', max: 0.01, dryRun: true }, sample(), incumbent, undefined],
  ])('%s', (_name, written, seen, baseline, expected) => {
    const found = evidenceOf(gate(written), 'k', seen, baseline)?.over;
    if (expected === undefined) expect(found).toBeUndefined();
    else expect(found).toBeCloseTo(expected, 9);
  });

  it('adds up over windows and devices', () => {
    const errors = gate({ metric: 'errors', max: 0.01 });
    const one = evidenceOf(errors, 'k', sample({ ok: 45, errors: 5 }), undefined)!;
    const sum = [joining(true), joining(false), one, one].reduce(addEvidence, noEvidence);
    expect(sum).toMatchObject({ devices: 2, paired: 1, windows: 2, inferences: 100, value: 10, reference: 100 });
    expect(sum.breach[0]).toBeCloseTo(2 * one.breach[0]!, 12);
  });
  it('where none at all is acceptable, one error says nearly everything', () =>
    expect(
      evidenceOf(gate({ metric: 'errors', max: 0 }), 'k', sample({ ok: 49, errors: 1 }), undefined)!.breach[0],
    ).toBeGreaterThan(6));
  it('is the same whether the limit was counted or not, within the width of a bin', () =>
    expect(x(wallRatio, sample({ total: sketchOf(Array<number>(50).fill(25_000)) }))).toBe(1));
});

describe('small windows', () => {
  const few = (ok: number, more: Partial<Sample> = {}) =>
    sample({ ok, computeCpuUs: ok * 1000, total: sketchOf(Array<number>(ok).fill(9000)), ...more });
  it('wait for the next', () => expect(collect(undefined, few(4))).toEqual({ kept: few(4) }));
  it('say nothing when they are empty', () => {
    expect(collect(undefined, few(0))).toEqual({});
    expect(collect(few(3), few(0))).toEqual({ kept: few(3) });
  });
  it('are put together until there is enough to speak of', () => {
    const a = few(2, { slow: { a: 1 }, rssBytes: 5, total: sketchOf([100]) });
    const b = few(3, { slow: { a: 1, b: 2 }, rssBytes: 9, restarts: 1, total: sketchOf([9000, 9000]) });
    expect(collect(a, b).complete).toMatchObject({ ok: 5, computeCpuUs: 5000, slow: { a: 2, b: 2 }, rssBytes: 9, restarts: 1 });
    expect(collect(few(4), few(4, { slow: { a: 3 } })).complete!.slow).toEqual({ a: 3 });
    expect(collect(a, few(3, { total: sketchOf([]) })).complete!.total).toEqual(a.total);
  });
  it('count when the runner was started anew although nobody asked', () =>
    expect(collect(undefined, few(0, { restarts: 1 })).kept).toMatchObject({ restarts: 1 }));
  it('keep the hottest that the board was, and add up how long it was held back', () => {
    const [cool, hot] = [few(2, { temperatureMaxC: 50, throttled: { ms: 1, ofMs: 10 } }), few(3, { temperatureMaxC: 70 })];
    expect(collect(cool, hot).complete).toMatchObject({ temperatureMaxC: 70, throttled: { ms: 1, ofMs: 10 } });
    expect(collect(hot, cool).complete).toMatchObject({ temperatureMaxC: 70, throttled: { ms: 1, ofMs: 10 } });
    expect(collect(few(2), few(3)).complete).not.toHaveProperty('throttled');
    expect(collect(cool, few(3, { throttled: { ms: 4, ofMs: 20 } })).complete!.throttled).toEqual({ ms: 5, ofMs: 30 });
  });
  it('with what people and sensors said are taken from what devices send', () => {
    const window = { ...few(7), start: 100, end: 110 } as unknown as InferenceWindow;
    const verdicts = { confirmed: 5, rejected: 2, corrected: 1 };
    expect(sampleOf({ ...window, feedback: verdicts, temperatureMaxC: 61, throttledMs: 10_001 })).toEqual({
      ...few(7),
      verdicts: { given: 8, wrong: 3 },
      temperatureMaxC: 61,
      // Never for longer than it lasted.
      throttled: { ms: 10_000, ofMs: 10_000 },
    });
    expect(sampleOf({ ...window, feedback: { confirmed: 0, rejected: 0, corrected: 0 }, end: 100, throttledMs: 0 })).toEqual(
      few(7),
    );
  });
  it('are taken from what devices send', () => {
    const window = { ...few(7), rssBytes: 3, restarts: 1, slot: 's', classes: {} } as unknown as InferenceWindow;
    expect(sampleOf(window)).toEqual({ ...few(7), rssBytes: 3, restarts: 1 });
    expect(sampleOf({ ...few(7) } as unknown as InferenceWindow)).toEqual(few(7));
  });
});

describe('the incumbent on the same device', () => {
  const needs = { baselineWindows: 20, baselineInferences: 500 };
  const gates = [
    gate({ metric: 'compute.mean', ratioToIncumbent: 1.2 }),
    gate({ metric: 'wall.p95', ratioToIncumbent: 1.5 }),
    gate({ metric: 'wall.p99', maxMs: 40 }),
    gate({ metric: 'errors', max: 0.01 }),
  ];
  it('is no baseline before it has shown enough', () => {
    expect(trusted(undefined, needs)).toBeUndefined();
    expect(trusted({ ...incumbent, windows: 19 }, needs)).toBeUndefined();
    expect(trusted(incumbent, needs)).toEqual(incumbent);
    expect(limitOn(gates[3]!, incumbent)).toBeUndefined();
    expect(limitOn(gate({ metric: 'memory', ratioToIncumbent: 2 }), undefined)).toBeUndefined();
    expect(limitOn(gate({ metric: 'temperature', maxC: 80 }), undefined)).toBe(80);
  });
  it('has no wall time to speak of after a few inferences', () => {
    const { wallP95Us: _, wallP99Us: __, ...rest } = incumbent;
    expect(trusted({ ...incumbent, inferences: 499 }, needs)).toEqual({ ...rest, inferences: 499 });
  });
  it('was wrong so and so often, which is known from a hundred verdicts on', () => {
    const verdicts = { given: 99, wrong: 3 };
    expect(trusted({ ...incumbent, verdicts }, needs)).not.toHaveProperty('verdicts');
    const known = { ...incumbent, verdicts: { given: 400, wrong: 12 } };
    expect(trusted(known, needs)).toEqual(known);
    expect(trusted({ ...known, inferences: 499 }, needs)).toMatchObject({ verdicts: known.verdicts });
  });
  it('may really be wrong more often than it happened to be: that is the limit', () => {
    const ratio = gate({ metric: 'feedback.rejected', ratioToIncumbent: 2 });
    const limit = (given: number, wrong: number) => limitOn(ratio, { ...incumbent, verdicts: { given, wrong } })!;
    // Wilson, z = 3, worked out by hand: (0.03 + 0.01125 + 3·√(0.03·0.97/400 + 0.00375²)) / 1.0225, twice.
    expect(limit(400, 12)).toBeCloseTo(2 * 0.067_7, 3);
    expect(limit(100, 0)).toBeGreaterThan(0.1);
    expect(limit(40_000, 1200) / 2).toBeCloseTo(0.0327, 3);
  });
  it('makes what is acceptable a device’s own where a share is compared', () => {
    const ratio = { metric: 'feedback.rejected', ratioToIncumbent: 2 };
    const known = { ...incumbent, verdicts: { given: 400, wrong: 12 } };
    const { acceptable, unacceptable } = termsOn(gate(ratio), known);
    expect(acceptable).toBeCloseTo(0.1354, 3);
    expect(unacceptable - acceptable).toBeCloseTo(0.04, 9);
    expect(termsOn(gate({ ...ratio, margin: 0.3 }), known).unacceptable).toBe(0.3);
    expect(termsOn(gate({ ...ratio, margin: 0.1 }), known).unacceptable).toBe(unacceptable);
    expect(termsOn(gate({ ...ratio, ratioToIncumbent: 900 }), known).acceptable).toBe(0.95);
    expect(termsOn(gate(ratio), undefined).acceptable).toBe(0.95);
    expect(termsOn(gate({ metric: 'feedback.rejected', max: 0.02 }), known)).toEqual({ acceptable: 0.02, unacceptable: 0.06 });
  });
  it('gives the device the limits that it counts against', () => {
    expect(slowLimits(gates, incumbent)).toEqual({ 'wall.p95#1': 30_000, 'wall.p99#2': 40_000 });
    expect(slowLimits(gates, undefined)).toEqual({ 'wall.p99#2': 40_000 });
  });
  it('is needed by ratios only', () => {
    expect(gates.map((g) => isComparable(g, undefined))).toEqual([false, false, true, true]);
    expect(gates.map((g) => isComparable(g, incumbent))).toEqual([true, true, true, true]);
  });
  it('that swings more than the gates allow is judged among its like', () => {
    expect(isUnsteady(gates, incumbent)).toBe(false);
    expect(isUnsteady(gates, { ...incumbent, computeP50Us: 8000 })).toBe(true);
    expect(isUnsteady(gates.slice(1), { ...incumbent, computeP50Us: 8000 })).toBe(false);
    expect(isUnsteady([gate({ metric: 'compute.mean', maxMs: 9 })], { ...incumbent, computeP50Us: 8000 })).toBe(false);
    expect(isUnsteady(gates, undefined)).toBe(false);
  });
});
