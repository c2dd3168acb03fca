import { stepsOverTime, tileSteps } from '@flotilla/protocol/device';
import type { Findings } from '../../prediction.js';
import type { Tensor } from '../tensor.js';
import { numbersOf } from '../tensor.js';
import { CandidateList } from './postprocess/candidates.js';
import type { Answering, Candidates, Moment, Postprocess, View } from './stages.js';
import type { Opened } from './steps.js';

type Areas = NonNullable<Findings['areas']>;
type Run = (step: Opened<Postprocess>, before: Answering) => Answering;

/** What the tiles of one picture come to, tile by tile: of each no more is kept than it adds. */
export class TiledAnswer {
  readonly #each: readonly Opened<Postprocess>[];
  readonly #together: readonly Opened<Postprocess>[];
  readonly #boxes = new CandidateList();
  #labels: readonly string[] | undefined;
  #outputs: readonly Tensor[] = [];
  #areas: Areas | undefined;
  #whole = { width: 0, height: 0 };

  constructor(
    steps: readonly Opened<Postprocess>[],
    private readonly run: Run,
  ) {
    this.#each = steps.filter(({ name }) => tileSteps.has(name));
    this.#together = steps.filter(({ name }) => !tileSteps.has(name));
  }

  add(outputs: readonly Tensor[], view: View): void {
    this.#whole = { width: view.width, height: view.height };
    const found = this.#each.reduce<Answering>((before, step) => this.run(step, before), { outputs, view, findings: {} });
    if (found.candidates) this.#addBoxes(found.candidates, view);
    if (found.findings.areas) this.#areas = summed(this.#areas ?? [], found.findings.areas);
    if (this.#together.some(({ name }) => name !== 'nms' && !stepsOverTime.has(name)))
      this.#outputs = highest(this.#outputs, found.outputs);
  }

  /** In pixels of the picture as it is seen. */
  finish(moment?: Moment): Answering {
    const merged: Answering = {
      outputs: this.#outputs,
      view: { scaleX: 1, scaleY: 1, shiftX: 0, shiftY: 0, ...this.#whole },
      moment,
      findings: this.#areas ? { areas: this.#areas } : {},
      ...(this.#labels ? { candidates: this.#boxes.sorted(this.#labels) } : {}),
    };
    return this.#together.reduce((before, step) => this.run(step, before), merged);
  }

  #addBoxes({ corners, scores, classes, count, labels }: Candidates, view: View): void {
    this.#labels = labels;
    const { scaleX, scaleY, shiftX, shiftY } = view;
    for (let i = 0; i < count; i++) {
      const [left, top] = [(corners[i * 4]! - shiftX) / scaleX, (corners[i * 4 + 1]! - shiftY) / scaleY];
      const [right, bottom] = [(corners[i * 4 + 2]! - shiftX) / scaleX, (corners[i * 4 + 3]! - shiftY) / scaleY];
      this.#boxes.add(scores[i]!, classes[i]!, (left + right) / 2, (top + bottom) / 2, right - left, bottom - top);
    }
  }
}

/** Pixels of the model's answers; where tiles overlap they count in both. */
function summed(before: Areas, more: Areas): Areas {
  const all = new Map(before.map((area) => [area.index, area]));
  for (const area of more) all.set(area.index, { ...area, pixels: area.pixels + (all.get(area.index)?.pixels ?? 0) });
  const whole = [...all.values()].reduce((sum, { pixels }) => sum + pixels, 0);
  return [...all.values()]
    .map((area) => ({ ...area, share: area.pixels / whole }))
    .toSorted((a, b) => b.pixels - a.pixels || a.index - b.index);
}

/** Of each score the highest that any tile has. */
function highest(before: readonly Tensor[], more: readonly Tensor[]): Tensor[] {
  return more.map((tensor, i) => {
    const [values, others] = [numbersOf(tensor), before[i] && numbersOf(before[i])];
    const data = Float32Array.from(values, (value, at) => (others ? Math.max(value, others[at]!) : value));
    return { ...tensor, type: 'FP32', data };
  });
}
