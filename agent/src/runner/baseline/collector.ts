import {
  type Baseline,
  type InputHistogram,
  type InputStatistic,
  type Manifest,
  mostInputHistograms,
} from '@flotilla/protocol/device';
import { measure, rowElements, valueAt } from '../monitor/input-statistics.js';
import { SpaceSaving } from '../monitor/space-saving.js';
import type { Timing, TopClass } from '../monitor/window.js';
import type { Tensor } from '../tensor.js';
import { binned } from './bins.js';

/** Of a row with so few, each value is looked at by itself. */
const fewElements = 24;

type What = Pick<InputHistogram, 'input' | 'statistic' | 'at'>;

/** Takes a monitor's place: what is measured is kept as it is, for where the bins should lie is known at the end only. */
export class Collector {
  readonly #columns = new Map<string, { what: What; values: number[] }>();
  readonly #scores: number[] = [];
  readonly #classes = new SpaceSaving(4096);
  readonly #own: ReadonlySet<string>;
  #inferences = 0;

  constructor(private readonly manifest: Manifest) {
    const { constants = [], recurrent = [] } = manifest;
    // What the release makes itself says nothing of the world.
    this.#own = new Set([...constants, ...recurrent].map(({ input }) => input));
  }

  get inferences(): number {
    return this.#inferences;
  }

  look(inputs: readonly Tensor[]): readonly number[] {
    for (const tensor of inputs) if (tensor.type !== 'BYTES' && !this.#own.has(tensor.name)) this.#measure(tensor);
    return [];
  }

  succeeded(_timing: Timing, top?: TopClass): void {
    this.#inferences += 1;
    if (!top) return;
    this.#classes.add(top.label.slice(0, 128));
    this.#scores.push(top.score);
  }

  unsound(): void {}
  failed(): void {}
  shed(): void {}

  toBaseline(): Baseline {
    const found = [...this.#columns.values()].flatMap(({ what, values }) => {
      const bins = binned(values);
      return bins ? [{ ...what, ...bins }] : [];
    });
    // The values themselves say most, that some are missing least.
    const last = ({ statistic }: What) => Number(statistic === 'missing');
    const inputs = found.toSorted((a, b) => last(a) - last(b)).slice(0, mostInputHistograms);
    const score = binned(this.#scores);
    return { v: 1, inferences: this.#inferences, inputs, ...(score && { score }), ...this.#classes.toCounts() };
  }

  #measure(tensor: Tensor): void {
    const { name, type } = tensor;
    const takesRows = this.manifest.inputs.find((input) => input.name === name)?.shape[0] === -1;
    const elements = rowElements(tensor, takesRows);
    const { missing, ...measures } = measure(tensor, elements);
    if (type.startsWith('FP')) this.#add({ input: name, statistic: 'missing' }, missing);
    if (elements <= fewElements)
      for (let at = 0; at < elements; at++) this.#add({ input: name, statistic: 'value', at }, valueAt(tensor, at));
    else
      for (const [statistic, value] of Object.entries(measures))
        this.#add({ input: name, statistic: statistic as InputStatistic }, value);
  }

  #add(what: What, value: number): void {
    const key = `${what.input} ${what.statistic} ${what.at}`;
    const column = this.#columns.get(key) ?? { what, values: [] };
    this.#columns.set(key, column);
    column.values.push(value);
  }
}
