import type { Ctc } from '@flotilla/protocol/device';
import { type Tensor, numbersOf } from '../../tensor.js';
import { outputOf } from '../scores.js';
import type { Postprocess, Surroundings } from '../stages.js';

export async function openCtc({ labels: file, blank, output }: Ctc, around: Surroundings): Promise<Postprocess> {
  const { shape } = around.outputs.find(({ name }) => name === output) ?? around.outputs[0]!;
  if (shape.length !== 3) throw new Error(`ctc reads [1, steps, classes], the output has [${shape.join(',')}]`);
  const classes = shape[2]!;
  const characters = (await around.labels(file, classes < 0 ? -1 : classes - 1)).toSpliced(blank, 0, '');
  return (before) => {
    const scores = outputOf(before, output);
    return scores.shape[0] === 1
      ? { ...before, findings: { ...before.findings, text: read(scores, characters, blank) } }
      : before;
  };
}

/** The best class of each step; repeats are one, blanks none. The score is the mean over the steps that gave a character. */
function read(scores: Tensor, characters: readonly string[], blank: number): { value: string; score: number } {
  const [values, steps, classes] = [numbersOf(scores), scores.shape[1]!, scores.shape[2]!];
  let [value, sum, count, last] = ['', 0, 0, blank];
  for (let step = 0; step < steps; step++) {
    const from = step * classes;
    let best = 0;
    for (let c = 1; c < classes; c++) if (values[from + c]! > values[from + best]!) best = c;
    if (best !== blank && best !== last) {
      value += characters[best] ?? '';
      sum += values[from + best]!;
      count += 1;
    }
    last = best;
  }
  return { value, score: count === 0 ? 0 : sum / count };
}
