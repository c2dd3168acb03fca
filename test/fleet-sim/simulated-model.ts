import { sketchOf, type InferenceWindow, type Sketch } from '@flotilla/protocol';
import { normal, seeded } from './random.js';

/** How a release behaves on the simulated boards. */
export interface Behaviour {
  /** Median of the compute time, and the spread of its logarithm. */
  readonly computeUs: number;
  readonly spread: number;
  /** Share of inferences that fail. */
  readonly errors: number;
  readonly perS: number;
}
export const usualBehaviour: Behaviour = { computeUs: 4000, spread: 0.2, errors: 0, perS: 10 };

/** What a window says, apart from where and when it was measured. */
export type Measured = Pick<
  InferenceWindow,
  | 'ok'
  | 'errors'
  | 'sheds'
  | 'computeCpuUs'
  | 'queue'
  | 'compute'
  | 'total'
  | 'slow'
  | 'classes'
  | 'otherClasses'
  | 'scores'
  | 'queueDepthMax'
>;

const shapes = 64;
const classes = ['bottle', 'can', 'carton', 'lid', 'label', 'cap'];

/** Windows of one release, drawn beforehand: a fleet of thousands has them from memory, not from a random generator. */
export class SimulatedModel {
  readonly behaviour: Behaviour;
  readonly #windows: readonly Measured[];

  constructor(behaviour: Behaviour, windowS: number, seed: number) {
    this.behaviour = behaviour;
    const random = seeded(seed);
    this.#windows = Array.from({ length: shapes }, () => draw(behaviour, windowS, random));
  }

  window(random: () => number): Measured {
    return this.#windows[Math.floor(random() * shapes)]!;
  }
}

function draw({ computeUs, spread, errors: share, perS }: Behaviour, windowS: number, random: () => number): Measured {
  const all = Math.max(1, Math.round(perS * windowS));
  const errors = Array.from({ length: all }, random).filter((chance) => chance < share).length;
  const ok = all - errors;
  const times = (median: number) => Array.from({ length: ok }, () => median * Math.exp(spread * normal(random)));
  const compute = times(computeUs);
  const queue: Sketch = sketchOf(times(120));
  return {
    ok,
    errors,
    sheds: 0,
    computeCpuUs: Math.round(compute.reduce((sum, us) => sum + us, 0)),
    queue,
    compute: sketchOf(compute),
    total: sketchOf(compute.map((us) => us + 300)),
    slow: {},
    ...results(ok, random),
    queueDepthMax: Math.floor(3 * random()),
  };
}

function results(ok: number, random: () => number): Pick<Measured, 'classes' | 'otherClasses' | 'scores'> {
  const seen: Record<string, number> = {};
  const scores = Array.from({ length: 10 }, () => 0);
  for (let i = 0; i < ok; i++) {
    const name = classes[Math.floor(classes.length * random() ** 2)]!;
    seen[name] = (seen[name] ?? 0) + 1;
    scores[Math.floor(10 * Math.sqrt(random()))]! += 1;
  }
  return { classes: seen, otherClasses: 0, scores };
}
