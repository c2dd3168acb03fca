import type { Areas } from '@flotilla/protocol/device';
import type { Findings } from '../../../prediction.js';
import { type Tensor, numbersOf } from '../../tensor.js';
import { outputOf } from '../scores.js';
import type { Postprocess, Surroundings } from '../stages.js';

export async function openAreas({ labels: file, layout, output }: Areas, around: Surroundings): Promise<Postprocess> {
  const { shape } = around.outputs.find(({ name }) => name === output) ?? around.outputs[0]!;
  if (shape.length !== 4) throw new Error(`areas reads four dimensions (${layout}), the output has [${shape.join(',')}]`);
  const labels = await around.labels(file, shape[layout === 'NCHW' ? 1 : 3]);
  return (before) => {
    const mask = outputOf(before, output);
    return mask.shape[0] === 1 ? { ...before, findings: { ...before.findings, areas: areas(mask, layout, labels) } } : before;
  };
}

/** Pixels of the model's answer whose best class it is, and their share of all; largest first, empty classes left out. */
function areas(mask: Tensor, layout: Areas['layout'], labels: readonly string[]): NonNullable<Findings['areas']> {
  const values = numbersOf(mask);
  const classes = mask.shape[layout === 'NCHW' ? 1 : 3]!;
  const pixels = values.length / classes;
  const [step, plane] = layout === 'NCHW' ? [1, pixels] : [classes, 1];
  const counts = new Uint32Array(classes);
  for (let pixel = 0; pixel < pixels; pixel++) {
    let best = 0;
    for (let c = 1; c < classes; c++) if (values[pixel * step + c * plane]! > values[pixel * step + best * plane]!) best = c;
    counts[best]! += 1;
  }
  return Array.from(counts, (count, index) => ({ label: labels[index]!, index, pixels: count, share: count / pixels }))
    .filter((area) => area.pixels > 0)
    .toSorted((a, b) => b.pixels - a.pixels || a.index - b.index);
}
