import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Asked, type Manifest, postprocessProblem, preprocessProblem, preprocessing } from '@flotilla/protocol';
import { messageOf } from '../fault.js';
import type { TopClass } from '../monitor/window.js';
import type { Findings } from '../../prediction.js';
import { type Tensor, firstNonFinite } from '../tensor.js';
import { headline } from './headline.js';
import { inputStage } from './input.js';
import { boxesOf } from './postprocess/boxes.js';
import { type Answering, type FeatureValues, type Postprocess, type Preprocess, type Surroundings, type View } from './stages.js';
import { StepClock } from './step-clock.js';
import { type Opened, openPostprocess, openPreprocess } from './steps.js';

/** A tensor for the model, and how the picture lies in it. */
export type Prepared = { tensor: Tensor; view: View | undefined };
/** `outputs`: the model's own, through the softmax or sigmoid that the release declares. */
export type Answer = { findings: Findings; outputs: readonly Tensor[] };

/** What a release does around its model. */
export type Pipeline = {
  /** What it is asked with besides tensors. */
  asked?: Asked;
  /** An encoded picture, features as JSON text or by name. Absent where the release takes tensors only. */
  preprocess?: (input: Uint8Array | FeatureValues) => Promise<Prepared>;
  /** Throws for an answer that is no number. */
  postprocess: (outputs: readonly Tensor[], view?: View) => Answer;
  /** What an answer that goes back as tensors is counted under; none for a batch. Throws as well. */
  headline: (outputs: readonly Tensor[]) => TopClass | undefined;
  clock: Pick<StepClock, 'families'>;
};

/** Throws an Error that names the step or file that is wrong. */
export async function openPipeline(manifest: Manifest, folder: string): Promise<Pipeline> {
  const { inputs, outputs } = manifest;
  const problem = preprocessProblem(manifest.preprocess, inputs) ?? postprocessProblem(manifest.postprocess, outputs);
  if (problem) throw new Error(problem);
  const around: Surroundings = { outputs, labels: (file, classes) => readLabels(folder, file, classes) };
  const before = await openPreprocess(manifest.preprocess, around);
  const after = await openPostprocess(manifest.postprocess, around);
  const clock = new StepClock([...before, ...after].map(({ name }) => name));
  const postprocess = (answer: readonly Tensor[], view?: View) => answerOf(answer, view, after, clock);
  const head = (answer: readonly Tensor[]) => {
    if (after.length > 0 && answer.every(isSingle)) return headline(postprocess(answer).findings);
    checkNumbers(answer);
    return undefined;
  };
  const made = preprocessing(manifest.preprocess);
  if (!made || 'problem' in made) return { postprocess, headline: head, clock };
  const { asked } = made;
  const preprocess = (input: Uint8Array | FeatureValues) => prepare(inputStage(asked, input), inputs[0]!.name, before, clock);
  return { asked, preprocess, postprocess, headline: head, clock };
}

async function prepare(
  first: Parameters<Preprocess>[0],
  name: string,
  steps: readonly Opened<Preprocess>[],
  clock: StepClock,
): Promise<Prepared> {
  let stage = first;
  for (const step of steps) {
    const since = performance.now();
    stage = await step.run(stage);
    clock.add(step.name, since);
  }
  if (stage.kind !== 'tensor') throw new Error(`preprocessing ends with ${stage.kind}, not with a tensor`);
  const { type, shape, data, view } = stage;
  return { tensor: { name, type, shape, data }, view };
}

function answerOf(
  outputs: readonly Tensor[],
  view: View | undefined,
  steps: readonly Opened<Postprocess>[],
  clock: StepClock,
): Answer {
  checkNumbers(outputs);
  let answering: Answering = { outputs, view, findings: {} };
  for (const step of steps) {
    const since = performance.now();
    answering = step.run(answering);
    clock.add(step.name, since);
  }
  const { candidates, findings } = answering;
  return { findings: candidates ? { ...findings, boxes: boxesOf(candidates, view) } : findings, outputs: answering.outputs };
}

const isSingle = ({ shape }: Tensor) => shape.length < 2 || shape[0] === 1;

function checkNumbers(outputs: readonly Tensor[]): void {
  const bad = outputs.find((tensor) => firstNonFinite(tensor) >= 0);
  if (bad) throw new Error(`the model's output ${bad.name} holds NaN or infinity at index ${firstNonFinite(bad)}`);
}

async function readLabels(folder: string, file: string, classes: number | undefined): Promise<string[]> {
  let text: string;
  try {
    text = await readFile(join(folder, file), 'utf8');
  } catch (error) {
    throw new Error(`the labels ${file} can't be read: ${messageOf(error)}`, { cause: error });
  }
  // A label may be a blank; empty lines at the end are none.
  const labels = text.replace(/[\r\n]+$/, '').split(/\r?\n/);
  if (classes !== undefined && classes > 0 && labels.length !== classes)
    throw new Error(`${file} has ${labels.length} labels for ${classes} classes`);
  return labels;
}
