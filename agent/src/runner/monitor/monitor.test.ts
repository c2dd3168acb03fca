import { DeploymentId, Digest, InferenceWindow, SlotName, sketchCount } from '@flotilla/protocol/device';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Monitor } from './monitor.js';
import { WindowAccumulator } from './window.js';

const served = {
  slot: SlotName.parse('inspection'),
  deployment: DeploymentId.parse('8f14e45f-ceea-4e7a-9c3b-0d9c1f3a2b10'),
  digest: Digest.parse('a'.repeat(64)),
  variant: 'model.int8.onnx',
};
const timing = { cpuUs: 900, queueUs: 20, computeUs: 1000, totalUs: 1500 };

/** A monitor whose clock is moved by hand. */
function aMonitor() {
  const clock = { ms: 0 };
  return { clock, monitor: new Monitor(served, () => clock.ms) };
}

describe('a window', () => {
  test('counts what came since the last cut, and is what the wire asks for', () => {
    const { clock, monitor } = aMonitor();
    monitor.succeeded(timing, { label: 'cat', score: 0.97 });
    monitor.succeeded(timing, { label: 'cat', score: 0.2 });
    monitor.failed();
    monitor.shed();
    clock.ms = 2500;
    const { durationS, window } = monitor.cut(3);
    expect(durationS).toBe(2.5);
    expect(window).toMatchObject({
      ...served,
      ok: 2,
      errors: 1,
      sheds: 1,
      computeCpuUs: 1800,
      classes: { cat: 2 },
      otherClasses: 0,
      queueDepthMax: 3,
    });
    expect(window.scores).toEqual([0, 0, 1, 0, 0, 0, 0, 0, 0, 1]);
    expect(sketchCount(window.compute)).toBe(2);
    expect(InferenceWindow.safeParse({ ...window, boot: served.deployment, start: 0, end: durationS }).success).toBe(true);
  });

  test('counts what is slower than each limit, from the window on that began with it', () => {
    const { monitor } = aMonitor();
    monitor.countSlower({ a: 1400, b: 1500 });
    monitor.succeeded(timing);
    expect(monitor.cut(0).window.slow).toEqual({});
    monitor.succeeded(timing);
    monitor.succeeded({ ...timing, totalUs: 9000 });
    expect(monitor.cut(0).window.slow).toEqual({ a: 2, b: 1 });
    expect(monitor.cut(0).window.slow).toEqual({ a: 0, b: 0 });
  });

  test('begins empty after a cut', () => {
    const { monitor } = aMonitor();
    monitor.succeeded(timing, { label: 'cat', score: 1 });
    monitor.cut(0);
    expect(monitor.cut(0).window).toMatchObject({
      ok: 0,
      classes: {},
      scores: Array.from({ length: 10 }, () => 0),
      total: { first: 0, counts: [] },
    });
  });

  test('names the 32 most frequent classes and counts the others', () => {
    const window = new WindowAccumulator();
    for (let label = 0; label < 40; label++) {
      for (let times = 0; times <= label; times++) window.succeeded(timing, { label: `c${label}`, score: 0.5 });
    }
    const { classes, otherClasses } = window.cut(0);
    expect(Object.keys(classes)).toHaveLength(32);
    // Each less what the 33rd has.
    expect(classes).toMatchObject({ c39: 32, c8: 1 });
    expect(otherClasses).toBe(1 + 2 + 3 + 4 + 5 + 6 + 7 + 8 + 32 * 8);
  });

  test('loses no inference, whatever its score and times are', () => {
    const scored = fc.record({ score: fc.double({ noNaN: true }), us: fc.nat(400_000_000) });
    fc.assert(
      fc.property(fc.array(scored), (inferences) => {
        const window = new WindowAccumulator();
        for (const { score, us } of inferences)
          window.succeeded({ cpuUs: us, queueUs: us, computeUs: us, totalUs: us }, { label: 'x', score });
        const cut = window.cut(0);
        expect(cut.scores.reduce((a, b) => a + b, 0)).toBe(inferences.length);
        expect(sketchCount(cut.queue)).toBe(inferences.length);
        expect(cut.computeCpuUs).toBe(inferences.reduce((sum, { us }) => sum + us, 0));
      }),
    );
  });
});

describe('totals', () => {
  test('a success ends a run of errors', () => {
    const { monitor } = aMonitor();
    monitor.failed();
    monitor.failed();
    expect(monitor.totals).toEqual({ ok: 0, errors: 2, consecutiveErrors: 2 });
    monitor.succeeded(timing);
    expect(monitor.totals).toEqual({ ok: 1, errors: 2, consecutiveErrors: 0 });
  });

  test('begin with the activation', () => {
    const { clock, monitor } = aMonitor();
    monitor.failed();
    clock.ms = 5000;
    monitor.begin();
    clock.ms = 6000;
    expect(monitor.totals).toEqual({ ok: 0, errors: 0, consecutiveErrors: 0 });
    expect(monitor.cut(0)).toMatchObject({ durationS: 1, window: { errors: 0 } });
  });
});
