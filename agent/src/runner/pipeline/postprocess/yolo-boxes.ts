import type { YoloBoxes } from '@flotilla/protocol/device';
import { type Tensor, numbersOf } from '../../tensor.js';
import { outputOf } from '../scores.js';
import type { Candidates, Postprocess, Surroundings } from '../stages.js';
import { CandidateList } from './candidates.js';

/** Where box `i`'s `field` lies: v5 has a row for each box, v8 a row for each field. */
type Layout = { boxes: number; classes: number; firstClass: number; at: (box: number, field: number) => number };

export async function openYoloBoxes(options: YoloBoxes, around: Surroundings): Promise<Postprocess> {
  const { shape } = around.outputs.find(({ name }) => name === options.output) ?? around.outputs[0]!;
  if (shape.length !== 3) throw new Error(`yolo-boxes reads three dimensions, the output has [${shape.join(',')}]`);
  const fields = options.format === 'v5' ? shape[2]! : shape[1]!;
  const labels = await around.labels(options.labels, fields < 0 ? -1 : fields - (options.format === 'v5' ? 5 : 4));
  return (before) => {
    const output = outputOf(before, options.output);
    return output.shape[0] === 1 ? { ...before, candidates: decode(output, options, labels) } : before;
  };
}

function layoutOf({ shape }: Tensor, format: YoloBoxes['format']): Layout {
  const [rows, columns] = [shape[1]!, shape[2]!];
  return format === 'v5'
    ? { boxes: rows, classes: columns - 5, firstClass: 5, at: (box, field) => box * columns + field }
    : { boxes: columns, classes: rows - 4, firstClass: 4, at: (box, field) => field * columns + box };
}

function decode(output: Tensor, { format, minScore }: YoloBoxes, labels: readonly string[]): Candidates {
  const values = numbersOf(output);
  const { boxes, classes, firstClass, at } = layoutOf(output, format);
  const list = new CandidateList();
  for (let box = 0; box < boxes; box++) {
    const objectness = format === 'v5' ? values[at(box, 4)]! : 1;
    if (objectness < minScore) continue;
    let best = 0;
    for (let c = 1; c < classes; c++) if (values[at(box, firstClass + c)]! > values[at(box, firstClass + best)]!) best = c;
    const score = objectness * values[at(box, firstClass + best)]!;
    if (score < minScore) continue;
    const [x, y, width, height] = [0, 1, 2, 3].map((field) => values[at(box, field)]!) as [number, number, number, number];
    list.add(score, best, x, y, width, height);
  }
  return list.sorted(labels);
}
