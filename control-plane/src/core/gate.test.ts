import { RolloutPlan, type PlanGate } from '@flotilla/protocol';
import { describe, expect, it } from 'vitest';
import { isAbsolute, judgeGate, noEvidence, type Evidence } from './gate.js';

const gate = (written: object): PlanGate => RolloutPlan.shape.gates.element.parse(written);
const ratio = gate({ metric: 'compute.mean', ratioToIncumbent: 1.5, minInferences: 100 });
const absolute = gate({ metric: 'compute.mean', maxMs: 30, minInferences: 100 });
const errors = gate({ metric: 'errors', max: 0.01, minInferences: 100 });

/** `ok` inferences at `ms` of compute each, on one device whose incumbent needs `incumbentMs`. */
const measured = (ok: number, ms: number, incumbentMs: number, failed = 0): Evidence => ({
  ok,
  errors: failed,
  computeCpuUs: ok * ms * 1000,
  paired: { devices: 1, ok, computeCpuUs: ok * ms * 1000, expectedCpuUs: ok * incumbentMs * 1000 },
});

describe('a gate on compute time against the incumbent', () => {
  it('breaches with its figures in words', () => {
    expect(judgeGate(ratio, measured(128, 41, 9))).toEqual({
      metric: 'compute.mean',
      verdict: 'breach',
      evidence: 'mean compute 41 ms against 9.0 ms on the same device, ratio 4.56 over limit 1.5, 128 inferences',
      inferences: 128,
      value: 41 / 9,
      limit: 1.5,
    });
  });

  it.each<[string, Evidence, string]>([
    ['passes at the limit exactly', measured(100, 15, 10), 'pass'],
    ['waits below its minimum sample', measured(99, 41, 9), 'insufficient'],
    [
      'waits while a paired device has not inferred yet',
      { ...noEvidence, paired: { ...noEvidence.paired, devices: 1 } },
      'insufficient',
    ],
    ['does not apply without an incumbent', { ...measured(500, 41, 0), paired: noEvidence.paired }, 'not-applicable'],
  ])('%s', (_name, evidence, verdict) => expect(judgeGate(ratio, evidence).verdict).toBe(verdict));

  it('makes every device its own control: a fast and a slow board, both unchanged, give ratio 1', () => {
    const mixed: Evidence = {
      ok: 200,
      errors: 0,
      computeCpuUs: 5_000_000,
      paired: { devices: 2, ok: 200, computeCpuUs: 5_000_000, expectedCpuUs: 5_000_000 },
    };
    expect(judgeGate(ratio, mixed)).toMatchObject({
      verdict: 'pass',
      value: 1,
      evidence: expect.stringContaining('the same 2 devices'),
    });
  });
});

describe('an absolute gate', () => {
  it.each<[string, PlanGate, Evidence, string]>([
    ['on compute passes within its limit', absolute, measured(100, 30, 9), 'pass'],
    ['on compute breaches above it', absolute, measured(100, 31, 9), 'breach'],
    ['on compute waits for its sample', absolute, measured(99, 31, 9), 'insufficient'],
    ['on errors counts failures among all inferences', errors, measured(98, 9, 9, 2), 'breach'],
    ['on errors passes at its limit', errors, measured(99, 9, 9, 1), 'pass'],
    ['on errors waits for its sample', errors, measured(50, 9, 9, 49), 'insufficient'],
  ])('%s', (_name, plan, evidence, verdict) => expect(judgeGate(plan, evidence).verdict).toBe(verdict));

  it('is one that needs no incumbent', () => expect([ratio, absolute, errors].map(isAbsolute)).toEqual([false, true, true]));
});
