import { classError, InferenceWindow, sketchCount, sketchOf, Vitals } from '@flotilla/protocol/device';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { keyOf, mergeRecords } from './merge-windows.js';

const boot = '8f14e45f-ceea-4e7a-9c3b-0d9c1f3a2b10';
const window = (differently: object = {}): InferenceWindow =>
  InferenceWindow.parse({
    type: 'window',
    boot,
    slot: 'inspection',
    deployment: boot,
    digest: 'a'.repeat(64),
    variant: 'int8.onnx',
    start: 0,
    end: 10,
    ok: 0,
    errors: 0,
    sheds: 0,
    computeCpuUs: 0,
    queue: { first: 0, counts: [] },
    compute: { first: 0, counts: [] },
    total: { first: 0, counts: [] },
    slow: { p95: 0 },
    classes: {},
    otherClasses: 0,
    scores: Array.from({ length: 10 }, () => 0),
    queueDepthMax: 0,
    ...differently,
  });
const vitals = (differently: object = {}): Vitals =>
  Vitals.parse({
    type: 'vitals',
    boot,
    start: 0,
    end: 10,
    cpu: 0.5,
    memoryUsedBytes: 1,
    memoryTotalBytes: 10,
    supervisorRssBytes: 1,
    outboxRecords: 1,
    outboxBytes: 1,
    outboxDropped: 0,
    ...differently,
  });

const times = fc.array(fc.integer({ min: 1, max: 10_000_000 }), { maxLength: 5 });
/** What three windows say of one board, which has a sensor or has it not. */
const aBoard = fc.oneof(
  fc.constant([]),
  fc.array(fc.record({ temperatureMaxC: fc.nat(90), throttledMs: fc.nat(10_000), energyJ: fc.nat(100) }), {
    minLength: 3,
    maxLength: 3,
  }),
);
const binned = (bins: number) => fc.array(fc.nat(100), { minLength: bins, maxLength: bins });
/** Windows of one slot, one after another, with few enough classes to stay exact. */
const inARow = fc
  .array(
    fc.record({
      ok: fc.nat(1000),
      errors: fc.nat(10),
      compute: times.map(sketchOf),
      slow: fc.record({ p95: fc.nat(10) }),
      classes: fc.dictionary(fc.constantFrom('cat', 'dog', 'ape'), fc.integer({ min: 1, max: 50 })),
      queueDepthMax: fc.nat(100),
      rssBytes: fc.option(fc.nat(1000), { nil: undefined }),
      restarts: fc.option(fc.nat(3), { nil: undefined }),
      feedback: fc.option(fc.record({ confirmed: fc.nat(9), rejected: fc.nat(9), corrected: fc.nat(9) }), { nil: undefined }),
      baseline: fc.record({ inputs: fc.tuple(binned(3), binned(2)), score: binned(3) }),
    }),
    { minLength: 3, maxLength: 3 },
  )
  .chain((counts) => aBoard.map((board) => counts.map((its, i) => ({ ...its, ...board[i] }))))
  .map((counts) => counts.map((its, i) => window({ ...its, start: i * 10, end: (i + 1) * 10 })));

describe('windows that are merged', () => {
  it('are the same in whichever order, and lose nothing', () => {
    fc.assert(
      fc.property(inARow, ([a, b, c]) => {
        const left = mergeRecords(mergeRecords(a!, b!, 60)!, c!, 60)!;
        const right = mergeRecords(a!, mergeRecords(c!, b!, 60)!, 60)!;
        expect(left).toEqual(right);
        expect(left).toMatchObject({ start: 0, end: 30, ok: a!.ok + b!.ok + c!.ok });
        const wrong = (its: InferenceWindow | undefined) => its?.feedback?.rejected ?? 0;
        expect(wrong(left)).toBe(wrong(a) + wrong(b) + wrong(c));
        expect(left.energyJ ?? 0).toBe((a!.energyJ ?? 0) + (b!.energyJ ?? 0) + (c!.energyJ ?? 0));
        expect(sketchCount(left.compute)).toBe([a, b, c].reduce((all, its) => all + sketchCount(its!.compute), 0));
        expect(InferenceWindow.parse(left)).toEqual(left);
      }),
    );
  });

  it('keep the most frequent of more than 32 classes, and say how far they may be off', () => {
    const classes = (from: number) => Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`c${from + i}`, from + i + 1]));
    const merged = mergeRecords(
      window({ classes: classes(0) }),
      window({ start: 10, end: 20, classes: classes(20), otherClasses: 5 }),
      60,
    )!;
    // The 33rd has 8, which each has less than it had.
    expect(Object.keys(merged.classes)).toHaveLength(32);
    expect(merged.classes).toMatchObject({ c39: 32, c8: 1 });
    expect(Object.values(merged.classes).reduce((sum, count) => sum + count, merged.otherClasses)).toBe((40 * 41) / 2 + 5);
    expect(classError(merged)).toBe(9);
  });

  it('are counted in the same bins of the baseline', () => {
    const bins = { inputs: [[1, 2], [3]], score: [4] };
    const merged = mergeRecords(window({ baseline: bins }), window({ start: 10, end: 20, baseline: bins }), 60);
    expect(merged?.baseline).toEqual({ inputs: [[2, 4], [6]], score: [8] });
    const { score: _, ...unscored } = bins;
    const twice = mergeRecords(window({ baseline: unscored }), window({ start: 10, end: 20, baseline: unscored }), 60);
    expect(twice?.baseline).toEqual({ inputs: [[2, 4], [6]] });
  });

  it.each([
    ['another deployment', { deployment: '8f14e45f-ceea-4e7a-9c3b-0d9c1f3a2b11' }],
    ['another boot', { boot: '8f14e45f-ceea-4e7a-9c3b-0d9c1f3a2b11' }],
    ['other limits', { slow: { p99: 1 } }],
    ['a sensor that the first had not', { energyJ: 3 }],
    ['a baseline', { baseline: { inputs: [[1]] } }],
    ['a gap between them', { start: 21, end: 31 }],
    ['together too long a time', { start: 10, end: 61 }],
  ])('do not have %s', (_what, other) => {
    expect(mergeRecords(window(), window({ start: 10, end: 20, ...other }), 60)).toBeUndefined();
  });

  it('are not of two kinds', () => expect(keyOf(window())).not.toBe(keyOf(vitals())));
});

describe('vitals that are merged', () => {
  it('keep means over time, and the worst of what is to be feared', () => {
    const a = vitals({
      cpu: 0.2,
      gpu: 0.4,
      gpuMHz: 300,
      powerW: 4,
      temperatureC: 80,
      throttled: true,
      runnerRssBytes: 7,
      memoryUsedBytes: 9,
    });
    const b = vitals({
      start: 10,
      end: 40,
      cpu: 0.6,
      gpu: 0.8,
      gpuMHz: 700,
      powerW: 8,
      temperatureC: 60,
      throttled: false,
      outboxRecords: 99,
    });
    const expected = {
      start: 0,
      end: 40,
      cpu: 0.5,
      powerW: 7,
      gpu: 0.7,
      gpuMHz: 600,
      temperatureC: 80,
      throttled: true,
      runnerRssBytes: 7,
      memoryUsedBytes: 9,
      outboxRecords: 99,
    };
    expect(mergeRecords(a, b, 60)).toMatchObject(expected);
    expect(mergeRecords(b, a, 60)).toMatchObject(expected);
  });

  it('know what only one of them has', () => {
    const merged = mergeRecords(vitals({ powerW: 3 }), vitals({ start: 10, end: 20, throttled: false }), 60)!;
    expect(merged).toMatchObject({ powerW: 3, throttled: false });
    expect(merged).not.toHaveProperty('temperatureC');
  });

  it('may have lasted no time at all', () => {
    expect(mergeRecords(vitals({ end: 0, cpu: 0.1 }), vitals({ end: 0, cpu: 0.3 }), 60)).toMatchObject({ cpu: 0.3 });
  });
});
