import { RolloutPlan, type PlanGate } from '@flotilla/protocol';
import { describe, expect, it } from 'vitest';
import { isComparable, trusted, type Baseline } from './baseline.js';
import { addEvidence, joining, noEvidence, type GateEvidence } from './evidence.js';
import { gathered, type Witness } from './gather.js';
import { judgeGate, oddsOf } from './gate.js';
import { atLeast, atMost, randomness, shareOf, times, type Randomness } from './randomness.js';

/** Lines where people say of some predictions whether they were right; how often they were not differs from device to device. */
const seeds = Array.from({ length: 21 }, (_, i) => 20_261_127 + i);
const [firstSeed] = seeds;
const [stages, perStage, mostWindows] = [3, 5, 300];
const ratio = RolloutPlan.shape.gates.element.parse({ metric: 'feedback.rejected', ratioToIncumbent: 1.5 });
const asGood = RolloutPlan.shape.gates.element.parse({ metric: 'feedback.rejected', ratioToIncumbent: 1 });
const plain = RolloutPlan.shape.gates.element.parse({ metric: 'feedback.rejected', max: 0.05 });
const evidence = RolloutPlan.shape.evidence.parse({ falseAlarm: 0.01, pass: 0.05 });
const odds = oddsOf(evidence, 2 * stages);

const wrongOf = (random: Randomness, given: number, rate: number) =>
  times(given, random.uniform).filter((chance) => chance < rate).length;

/** A device with 100 to 400 verdicts on its incumbent, of which about 3 % say wrong. */
function aLine(random: Randomness): { witness: Witness; rate: number } {
  const rate = Math.min(0.05, 0.03 * Math.exp(0.4 * random.normal()));
  const given = 100 + Math.floor(300 * random.uniform());
  const seen: Baseline = {
    windows: 40,
    inferences: 2000,
    computeMeanUs: 1,
    computeP95Us: 1,
    computeP50Us: 1,
    verdicts: { given, wrong: wrongOf(random, given, rate) },
  };
  return { witness: { hardwareClass: 'x64', baseline: trusted(seen, evidence), kept: undefined }, rate };
}

/** Verdicts come one to four at a time; looked at after each window. */
function stage(random: Randomness, gate: PlanGate, worse: (rate: number) => number) {
  const lines = times(perStage, () => aLine(random));
  let known: GateEvidence = lines.map(({ witness }) => joining(isComparable(gate, witness.baseline))).reduce(addEvidence);
  let verdicts = 0;
  for (let windows = 0; windows < mostWindows; windows++) {
    const { witness, rate } = lines[windows % perStage]!;
    const given = 1 + Math.floor(4 * random.uniform());
    verdicts += given;
    const sample = { ok: 0, errors: 0, sheds: 0, computeCpuUs: 0, slow: {}, total: { first: 0, counts: [] } };
    const heard = { ...sample, verdicts: { given, wrong: wrongOf(random, given, worse(rate)) } };
    known = gathered([gate], witness, [heard]).added.reduce((sum, each) => addEvidence(sum, each.evidence), known);
    const { verdict } = judgeGate(gate, { x64: known }, odds);
    if (verdict !== 'insufficient') return { verdict, verdicts };
  }
  return { verdict: 'insufficient' as const, verdicts };
}

function isStopped(random: Randomness, gate: PlanGate, worse: (rate: number) => number): boolean {
  for (let i = 0; i < stages; i++) {
    const { verdict } = stage(random, gate, worse);
    if (verdict !== 'pass') return verdict === 'breach';
  }
  return false;
}

describe(`feedback in simulated rollouts (seed ${firstSeed}, and 20 more)`, () => {
  it.each<[string, PlanGate, (rate: number) => number]>([
    ['against the incumbent, of a release that is what the incumbent is', asGood, (rate) => rate],
    ['against a plain limit, of one that is just acceptable', plain, () => 0.05],
  ])('%s, breaches no more often than the plan allows', { timeout: 120_000 }, (name, gate, same) => {
    for (const seed of seeds) {
      const random = randomness(seed);
      const n = seed === firstSeed ? 1000 : 20;
      const share = shareOf(times(n, () => isStopped(random, gate, same)));
      expect(share, `seed ${seed}`).toBeLessThanOrEqual(atMost(evidence.falseAlarm, n));
      if (seed === firstSeed) console.log(`feedback, A/A ${name}: ${(100 * share).toFixed(1)} % of ${n} rollouts stopped`);
    }
  });

  it.each<[string, PlanGate, (rate: number) => number, number]>([
    ['ten times as often wrong', ratio, (rate) => 10 * rate, 300],
    ['wrong three times as often as the limit says', plain, () => 0.15, 300],
  ])('stops a release that is %s in its first stage, within the stated number of verdicts', (name, gate, worse, most) => {
    for (const seed of seeds) {
      const random = randomness(seed);
      const n = seed === firstSeed ? 400 : 50;
      const ends = times(n, () => stage(random, gate, worse));
      const caught = shareOf(ends.map(({ verdict, verdicts }) => verdict === 'breach' && verdicts <= most));
      expect(caught, `seed ${seed}`).toBeGreaterThanOrEqual(seed === firstSeed ? 0.95 : atLeast(0.95, n));
      if (seed !== firstSeed) continue;
      const sorted = ends.map((end) => end.verdicts).toSorted((a, b) => a - b);
      console.log(
        `feedback, ${name}: ${(100 * caught).toFixed(1)} % stopped within ${most} verdicts, half within ${sorted[n / 2]}`,
      );
    }
  });

  it('adds up to the same in whichever order devices report', () => {
    const random = randomness(firstSeed!);
    const { witness } = aLine(random);
    const each = times(50, () => {
      const given = 1 + Math.floor(4 * random.uniform());
      const verdicts = { given, wrong: wrongOf(random, given, 0.3) };
      const sample = { ok: 0, errors: 0, sheds: 0, computeCpuUs: 0, slow: {}, total: { first: 0, counts: [] }, verdicts };
      return gathered([ratio], witness, [sample]).added[0]!.evidence;
    });
    const [there, back] = [each, each.toReversed()].map((list) => list.reduce(addEvidence, noEvidence));
    expect(there!.value).toBe(back!.value);
    there!.breach.forEach((capital, i) => expect(capital).toBeCloseTo(back!.breach[i]!, 9));
  });
});
