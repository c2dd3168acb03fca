import { topK } from '../answer.js';
import { oneRow, outputOf } from '../scores.js';
import type { Postprocess, Surroundings } from '../stages.js';

export async function openTopK({ k, labels: file }: { k: number; labels: string }, around: Surroundings): Promise<Postprocess> {
  const labels = await around.labels(file, around.outputs[0]!.shape.at(-1));
  return (before) => {
    const scores = oneRow(outputOf(before, undefined));
    return scores ? { ...before, findings: { ...before.findings, top: topK(scores, k, labels) } } : before;
  };
}
