import { type Baseline, type BaselineCounts, binAmong, type InputHistogram, type Manifest } from '@flotilla/protocol/device';
import type { Tensor } from '../tensor.js';
import { measure, type Measures, rowElements, valueAt } from './input-statistics.js';

/** Of so many inferences between two cuts every one's inputs are measured; of more, evenly fewer. */
const mostMeasured = 200;

/** In which bin of each histogram an inference's inputs lie; −1 for none. */
export type Looked = readonly number[];
type Shapes = Pick<Manifest, 'inputs'>;

/** Counts what comes in the bins of what came when the model was made. */
export class BaselineWatch {
  readonly #histograms: readonly (InputHistogram & { takesRows: boolean })[];
  readonly #scoreEdges: readonly number[] | undefined;
  readonly #thinning: Thinning;
  #inputs: number[][] = [];
  #score: number[] = [];

  constructor({ inputs, score }: Baseline, release: Shapes, most = mostMeasured) {
    this.#histograms = inputs.map((histogram) => ({ ...histogram, takesRows: takesRows(release, histogram.input) }));
    this.#scoreEdges = score?.edges;
    this.#thinning = new Thinning(most);
    this.#clear();
  }

  /** Before they are given to the engine, which keeps them; undefined where this one is left out. */
  look(inputs: readonly Tensor[]): Looked | undefined {
    if (this.#histograms.length === 0 || !this.#thinning.takes()) return undefined;
    const known = new Map<string, Measures>();
    return this.#histograms.map((histogram) => {
      const tensor = inputs.find(({ name }) => name === histogram.input);
      const value = tensor ? measured(tensor, histogram, known) : NaN;
      return Number.isNaN(value) ? -1 : binAmong(histogram.edges, value);
    });
  }

  count(looked: Looked | undefined, score: number | undefined): void {
    looked?.forEach((bin, i) => bin >= 0 && (this.#inputs[i]![bin]! += 1));
    if (score !== undefined && this.#scoreEdges && !Number.isNaN(score)) this.#score[binAmong(this.#scoreEdges, score)]! += 1;
  }

  cut(): BaselineCounts {
    const counts = { inputs: this.#inputs, ...(this.#scoreEdges && { score: this.#score }) };
    this.#clear();
    this.#thinning.begin();
    return counts;
  }

  #clear(): void {
    this.#inputs = this.#histograms.map(({ counts }) => counts.map(() => 0));
    this.#score = Array.from({ length: (this.#scoreEdges?.length ?? -1) + 1 }, () => 0);
  }
}

const takesRows = ({ inputs }: Shapes, name: string) => inputs.find((input) => input.name === name)?.shape[0] === -1;

function measured(
  tensor: Tensor,
  { input, statistic, at, takesRows: rows }: InputHistogram & { takesRows: boolean },
  known: Map<string, Measures>,
): number {
  const elements = rowElements(tensor, rows);
  if (statistic === 'value') return at! < elements ? valueAt(tensor, at!) : NaN;
  let measures = known.get(input);
  if (!measures) known.set(input, (measures = measure(tensor, elements)));
  return measures[statistic];
}

/** Every inference, or every n-th: n follows the window before, and doubles where that is too little. Knows no clock, as no window does. */
class Thinning {
  #every = 1;
  #seen = 0;
  #taken = 0;

  constructor(private readonly most: number) {}

  takes(): boolean {
    if (this.#seen++ % this.#every !== 0) return false;
    this.#taken += 1;
    if (this.#taken % this.most === 0) this.#every *= 2;
    return true;
  }

  begin(): void {
    this.#every = Math.max(1, Math.ceil(this.#seen / this.most));
    this.#seen = 0;
    this.#taken = 0;
  }
}
