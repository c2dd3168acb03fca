import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Manifest } from '@flotilla/protocol';
import { messageOf } from '../fault.js';
import { type Tensor, elementsOf, firstNonFinite, numbersOf } from '../tensor.js';
import type { Ranked } from '../slot-api/slot-schemas.js';
import { softmax, topK } from './answer.js';
import { pictureToTensor } from './picture.js';
import { type AnswerPlan, type PicturePlan, answerPlan, picturePlan, tensorShape } from './plan.js';

/** What a release does around its model. */
export type Pipeline = {
  /** Absent where the release takes tensors only. */
  preprocess?: (encoded: Uint8Array) => Promise<Tensor>;
  /** Ranked classes of an answer; empty where the release declares no top-k. Throws for an answer that is no number. */
  postprocess: (outputs: readonly Tensor[]) => Ranked[];
  /** The outputs as an answer without ranked classes gives them: through the softmax that the release declares. */
  results: (outputs: readonly Tensor[]) => readonly Tensor[];
};

/** Throws an Error that names the step or file that is wrong. */
export async function openPipeline(manifest: Manifest, folder: string): Promise<Pipeline> {
  const picture = picturePlan(manifest);
  const answer = answerPlan(manifest);
  const labels = answer.topK ? await readLabels(folder, answer.topK.labels, manifest.outputs[0]!.shape.at(-1)) : [];
  const postprocess = (outputs: readonly Tensor[]) => rank(outputs, answer, labels);
  const results = (outputs: readonly Tensor[]) => (answer.softmax ? throughSoftmax(outputs, answer.output) : outputs);
  return { ...(picture ? { preprocess: (encoded) => toTensor(encoded, picture) } : {}), postprocess, results };
}

async function toTensor(encoded: Uint8Array, plan: PicturePlan): Promise<Tensor> {
  return { name: plan.input, type: 'FP32', shape: tensorShape(plan), data: await pictureToTensor(encoded, plan) };
}

function rank(outputs: readonly Tensor[], plan: AnswerPlan, labels: readonly string[]): Ranked[] {
  const output = outputs.find(({ name }) => name === plan.output);
  if (!output) throw new Error(`the model gave no output "${plan.output}"`);
  const bad = outputs.find((tensor) => firstNonFinite(tensor) >= 0);
  if (bad) throw new Error(`the model's output ${bad.name} holds NaN or infinity at index ${firstNonFinite(bad)}`);
  // A batch has no single answer to rank.
  if (!plan.topK || elementsOf(output.shape) !== output.shape.at(-1)) return [];
  const values = numbersOf(output);
  return topK(plan.softmax ? softmax(values) : values, plan.topK.k, labels);
}

/** Along the last dimension, each row for itself. */
function throughSoftmax(outputs: readonly Tensor[], of: string): Tensor[] {
  return outputs.map((output) => {
    if (output.name !== of) return output;
    const [values, width] = [Float64Array.from(numbersOf(output)), output.shape.at(-1) || 1];
    const data = new Float32Array(values.length);
    for (let row = 0; row < values.length; row += width) data.set(softmax(values.subarray(row, row + width)), row);
    return { ...output, type: 'FP32', data };
  });
}

async function readLabels(folder: string, file: string, classes: number | undefined): Promise<string[]> {
  let text: string;
  try {
    text = await readFile(join(folder, file), 'utf8');
  } catch (error) {
    throw new Error(`the labels ${file} can't be read: ${messageOf(error)}`, { cause: error });
  }
  const labels = text.trimEnd().split(/\r?\n/);
  if (classes !== undefined && classes > 0 && labels.length !== classes)
    throw new Error(`${file} has ${labels.length} labels for ${classes} classes`);
  return labels;
}
