import { RolloutPlan, sketchOf, type PlanGate } from '@flotilla/protocol';
import { describe, expect, it } from 'vitest';
import type { Baseline } from './baseline.js';
import { addEvidence, type GateEvidence } from './evidence.js';
import { gathered, joined, left, type Witness } from './gather.js';
import type { Sample } from './sample.js';

const gates: PlanGate[] = [
  { metric: 'compute.mean', ratioToIncumbent: 1.5 },
  { metric: 'wall.p95', ratioToIncumbent: 1.5 },
  { metric: 'errors', max: 0.01 },
].map((gate) => RolloutPlan.shape.gates.element.parse(gate));
const steady: Baseline = {
  windows: 40,
  inferences: 2000,
  computeMeanUs: 9000,
  computeP95Us: 10_000,
  computeP50Us: 9000,
  wallP95Us: 20_000,
};
const unsteady: Baseline = { ...steady, computeP50Us: 5000 };
const witness = (more: Partial<Witness> = {}): Witness => ({ hardwareClass: 'x64', baseline: steady, kept: undefined, ...more });
const sample = (ok: number, more: Partial<Sample> = {}): Sample => ({
  ok,
  errors: 0,
  sheds: 0,
  computeCpuUs: ok * 9000,
  slow: { 'wall.p95#1': 1 },
  total: sketchOf(Array<number>(ok).fill(15_000)),
  ...more,
});

describe('a device that joins', () => {
  it('is known to each gate, with whether it can be compared', () =>
    expect(
      joined(gates, witness({ baseline: undefined })).map(({ gate, stratum, evidence }) => [
        gate,
        stratum,
        evidence.devices,
        evidence.paired,
      ]),
    ).toEqual([
      [0, 'x64', 1, 0],
      [1, 'x64', 1, 0],
      [2, 'x64', 1, 1],
    ]));
  it('a second time counts once', () => {
    const [first, again] = [witness(), witness({ baseline: undefined })];
    const [compute] = [...joined(gates, first), ...left(gates, first), ...joined(gates, again)]
      .filter(({ gate }) => gate === 0)
      .reduce<GateEvidence[]>(([sum], { evidence }) => [sum ? addEvidence(sum, evidence) : evidence], []);
    expect(compute).toMatchObject({ devices: 1, paired: 0 });
  });
  it('with an unsteady incumbent is judged apart on compute time', () =>
    expect(joined(gates, witness({ baseline: unsteady })).map(({ stratum }) => stratum)).toEqual([
      'x64 (unsteady)',
      'x64',
      'x64',
    ]));
});

describe('windows of one device', () => {
  it('are evidence for every gate that they speak to', () => {
    const { added, kept } = gathered(gates, witness(), [sample(20), sample(20)]);
    expect(added.map(({ gate, evidence }) => [gate, evidence.over])).toEqual([
      [0, 0],
      [1, 0.05],
      [2, 0],
      [0, 0],
      [1, 0.05],
      [2, 0],
    ]);
    expect(kept).toBeUndefined();
  });
  it('that are too small are kept for the next, in another transaction, too', () => {
    const first = gathered(gates, witness(), [sample(3)]);
    expect(first.added).toEqual([]);
    const second = gathered(gates, witness({ kept: first.kept }), [sample(3), sample(2)]);
    expect(second.added.map(({ evidence }) => evidence.inferences)).toEqual([6, 6, 6]);
    expect(second.kept).toMatchObject({ ok: 2 });
  });
  it('give the same in one transaction or in many', () => {
    const all = [sample(3), sample(20), sample(1), sample(7), sample(2)];
    let kept: Sample | undefined;
    const oneByOne = all.flatMap((each) => {
      const step = gathered(gates, witness({ kept }), [each]);
      kept = step.kept;
      return step.added;
    });
    expect(gathered(gates, witness(), all)).toEqual({ added: oneByOne, kept });
  });
  it('with verdicts are evidence at once, whatever else is in them', () => {
    const heard = RolloutPlan.shape.gates.element.parse({ metric: 'feedback.rejected', max: 0.02 });
    const restarts = RolloutPlan.shape.gates.element.parse({ metric: 'restarts', max: 0.02 });
    const silent = sample(0, { verdicts: { given: 2, wrong: 1 } });
    const { added, kept } = gathered([...gates, restarts, heard], witness({ kept: sample(3) }), [silent]);
    expect(added.map(({ gate, evidence }) => [gate, evidence.over, evidence.inferences])).toEqual([[4, 0.5, 2]]);
    expect(kept).toEqual(sample(3));
    const all = gathered([restarts, heard], witness({ kept }), [sample(4, { verdicts: { given: 1, wrong: 0 } })]).added;
    expect(all.map(({ gate, evidence }) => [gate, evidence.inferences])).toEqual([
      [1, 1],
      [0, 7],
    ]);
  });
  it('of a device without a baseline speak of errors only', () =>
    expect(gathered(gates, witness({ baseline: undefined }), [sample(20)]).added.map(({ gate }) => gate)).toEqual([2]));
});
