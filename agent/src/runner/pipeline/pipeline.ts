import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Asked,
  type Manifest,
  postprocessProblem,
  preprocessProblem,
  preprocessing,
  type PipelineOverrides,
} from '@flotilla/protocol';
import { messageOf } from '../../errors.js';
import type { TopClass } from '../monitor/window.js';
import type { Findings } from '../../prediction.js';
import { type Tensor, firstNonFinite } from '../tensor.js';
import { headline } from './headline.js';
import { inputStage } from './input.js';
import { boxesOf } from './postprocess/boxes.js';
import type { Answering, FeatureValues, Postprocess, Stage, Surroundings, View } from './stages.js';
import { type Prepared, preparing } from './prepare.js';
import { StepClock } from './step-clock.js';
import { type Opened, openPostprocess, openPreprocess } from './steps.js';

/** `outputs`: the model's own, through the softmax or sigmoid that the release declares. */
export type Answer = { findings: Findings; outputs: readonly Tensor[] };

/** What a release does around its model. */
export type Pipeline = {
  /** What it is asked with besides tensors. */
  asked?: Asked;
  /** An encoded picture, features as JSON text or by name. Absent where the release takes tensors only. */
  preprocess?: (input: Uint8Array | FeatureValues) => Promise<Prepared>;
  /** The same for what a source took, as this device wants it. */
  prepare?: (first: Stage, overrides?: PipelineOverrides) => Promise<Prepared>;
  /** Throws for an answer that is no number. */
  postprocess: (outputs: readonly Tensor[], view?: View) => Answer;
  /** What an answer that goes back as tensors is counted under; none for a batch. Throws as well. */
  headline: (outputs: readonly Tensor[]) => TopClass | undefined;
  clock: StepClock;
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
  const prepare = preparing(before, inputs[0]!.name, clock);
  const preprocess = (input: Uint8Array | FeatureValues) => prepare(inputStage(asked, input));
  return { asked, preprocess, prepare, postprocess, headline: head, clock };
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
