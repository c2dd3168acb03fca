import { RolloutPlan, type PlanGate } from '@flotilla/protocol';
import { describe, expect, it } from 'vitest';
import type { Baseline } from './baseline.js';
import { addEvidence, evidenceOf, joining, type GateEvidence } from './evidence.js';
import { judgeGate, oddsOf, type Odds } from './gate.js';
import { atLeast, atMost, randomness, shareOf, times, type Randomness } from './randomness.js';
import type { Sample } from './sample.js';

/** Whole rollouts, played with the gates themselves: 50 inferences a window, five devices a stage, load that drifts slowly. */
const seeds = Array.from({ length: 21 }, (_, i) => 20_261_127 + i);
const [firstSeed] = seeds;
const rollouts = 1000;
const stages = 3;
const perStage = 5;
const inferences = 50;
const mostWindows = 400;

const gates = [
  { metric: 'compute.mean', ratioToIncumbent: 1.1 },
  { metric: 'errors', max: 0.01 },
].map((gate): PlanGate => RolloutPlan.shape.gates.element.parse(gate));
const evidence = RolloutPlan.shape.evidence.parse({ falseAlarm: 0.01, pass: 0.05 });
const odds = oddsOf(evidence, gates.length * stages);

type Release = { slower: number; errorRate: number };

/** A board of its own speed, under a load that drifts (AR(1), 3 %); inferences are lognormal, σ 0.2. */
class Board {
  readonly #speedUs: number;
  #load = 0;
  constructor(private readonly random: Randomness) {
    this.#speedUs = 9000 * Math.exp(0.5 * random.normal());
  }

  window({ slower, errorRate }: Release): Sample {
    this.#load = 0.9 * this.#load + Math.sqrt(1 - 0.81) * 0.03 * this.random.normal();
    const mean = this.#speedUs * slower * (1 + this.#load) * (1 + (0.2 / Math.sqrt(inferences)) * this.random.normal());
    let errors = 0;
    for (let i = 0; i < inferences; i++) if (this.random.uniform() < errorRate) errors += 1;
    const ok = inferences - errors;
    return { ok, errors, sheds: 0, computeCpuUs: ok * mean, slow: {}, total: { first: 0, counts: [] } };
  }

  baseline(incumbent: Release): Baseline {
    const means = Array.from({ length: 40 }, () => this.window(incumbent)).map((w) => w.computeCpuUs / w.ok);
    const sorted = means.toSorted((a, b) => a - b);
    const mean = means.reduce((sum, m) => sum + m, 0) / means.length;
    return {
      windows: 40,
      inferences: 40 * inferences,
      computeMeanUs: mean,
      computeP95Us: sorted[37]!,
      computeP50Us: sorted[20]!,
    };
  }
}

type End = { verdict: 'breach' | 'pass' | 'insufficient'; windows: number };

/** One stage to its verdict. A device's release differs from the incumbent by 1 % more or less than elsewhere. */
function stage(random: Randomness, incumbent: Release, candidate: Release, by: Odds): End {
  const boards = Array.from({ length: perStage }, () => {
    const board = new Board(random);
    return {
      board,
      baseline: board.baseline(incumbent),
      release: { ...candidate, slower: candidate.slower * (1 + 0.01 * random.normal()) },
    };
  });
  const known: GateEvidence[] = gates.map(() => Array.from({ length: perStage }, () => joining(true)).reduce(addEvidence));
  for (let windows = 1; windows <= mostWindows; windows++) {
    const { board, baseline, release } = boards[windows % perStage]!;
    const sample = board.window(release);
    gates.forEach((gate, i) => {
      const more = evidenceOf(gate, 'k', sample, baseline);
      if (more) known[i] = addEvidence(known[i]!, more);
    });
    const verdicts = gates.map((gate, i) => judgeGate(gate, { x64: known[i]! }, by).verdict);
    if (verdicts.includes('breach')) return { verdict: 'breach', windows };
    if (verdicts.every((verdict) => verdict === 'pass')) return { verdict: 'pass', windows };
  }
  return { verdict: 'insufficient', windows: mostWindows };
}

function rollout(random: Randomness, incumbent: Release, candidate: Release): boolean {
  for (let i = 0; i < stages; i++) {
    const { verdict } = stage(random, incumbent, candidate, odds);
    if (verdict !== 'pass') return verdict === 'breach';
  }
  return false;
}

describe(`simulated rollouts (seed ${firstSeed}, and 20 more)`, () => {
  const same: Release = { slower: 1, errorRate: 0.01 };

  it('of a release that is what the incumbent is breach no more often than the plan allows', { timeout: 300_000 }, () => {
    const alarms = seeds.map((seed) => {
      const random = randomness(seed);
      // The first seed plays as many as the promise names, the others fewer: they must all hold.
      const n = seed === firstSeed ? rollouts : 25;
      const share = shareOf(times(n, () => rollout(random, same, same)));
      expect(share, `seed ${seed}`).toBeLessThanOrEqual(atMost(evidence.falseAlarm, n));
      return share;
    });
    console.log(
      `A/A: ${(100 * alarms[0]!).toFixed(1)} % of ${rollouts} rollouts stopped; allowed ${100 * evidence.falseAlarm} %`,
    );
  });

  it.each<[string, Release, number]>([
    ['+20 % compute time', { slower: 1.2, errorRate: 0.01 }, 40],
    ['+3 points of errors', { slower: 1, errorRate: 0.04 }, 40],
  ])('of a release with %s are stopped in their first stage, within the stated sample', (name, worse, sample) => {
    for (const seed of seeds) {
      const random = randomness(seed);
      const n = seed === firstSeed ? rollouts : 100;
      const ends = times(n, () => stage(random, same, worse, odds));
      const caught = shareOf(ends.map(({ verdict, windows }) => verdict === 'breach' && windows <= sample));
      expect(caught, `seed ${seed}`).toBeGreaterThanOrEqual(seed === firstSeed ? 0.95 : atLeast(0.95, n));
      if (seed !== firstSeed) continue;
      const sorted = ends.map((end) => end.windows).toSorted((a, b) => a - b);
      console.log(
        `${name}: ${(100 * caught).toFixed(1)} % stopped within ${sample} windows of the stage, half of them within ${sorted[n / 2]}`,
      );
    }
  });
});

describe(`bets at the very limit (seed ${firstSeed}, and 20 more)`, () => {
  it('are won by chance no more often than stated, although looked at after each window', () => {
    const [, errors] = gates;
    for (const seed of seeds) {
      const random = randomness(seed);
      const n = 200;
      const alone = oddsOf(evidence, 1);
      const won = times(n, () => {
        let known = joining(true);
        for (let i = 0; i < 150; i++) {
          // Errors come in bursts: half a window at a time, and as often as is just acceptable.
          const bad = random.uniform() < 0.02;
          known = addEvidence(
            known,
            evidenceOf(
              errors!,
              'k',
              { ok: bad ? 5 : 10, errors: bad ? 5 : 0, sheds: 0, computeCpuUs: 0, slow: {}, total: { first: 0, counts: [] } },
              undefined,
            )!,
          );
          if (judgeGate(errors!, { x64: known }, alone).verdict === 'breach') return true;
        }
        return false;
      });
      expect(shareOf(won), `seed ${seed}`).toBeLessThanOrEqual(atMost(evidence.falseAlarm, n));
    }
  });
});
