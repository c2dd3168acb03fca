import type { MultiLabel } from '@flotilla/protocol/device';
import { topK } from '../answer.js';
import { oneRow, outputOf } from '../scores.js';
import type { Postprocess, Surroundings } from '../stages.js';

/** Every class that reaches its threshold, best first. */
export async function openMultiLabel(options: MultiLabel, around: Surroundings): Promise<Postprocess> {
  const { labels: file, thresholds, output } = options;
  const signature = around.outputs.find(({ name }) => name === output) ?? around.outputs[0]!;
  const labels = await around.labels(file, signature.shape.at(-1));
  if (Array.isArray(thresholds) && thresholds.length !== labels.length)
    throw new Error(`multi-label has ${thresholds.length} thresholds for the ${labels.length} labels of ${file}`);
  const thresholdOf = (index: number) => (Array.isArray(thresholds) ? thresholds[index]! : thresholds);
  return (before) => {
    const scores = oneRow(outputOf(before, output));
    if (!scores) return before;
    const found = topK(scores, scores.length, labels).filter(({ index, score }) => score >= thresholdOf(index));
    return { ...before, findings: { ...before.findings, labels: found } };
  };
}
