import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Asked,
  type Manifest,
  channelsOf,
  feedsProblem,
  madeInputs,
  postprocessProblem,
  preprocessProblem,
  preprocessing,
  stepsOverTime,
  tileProblem,
} from '@flotilla/protocol/device';
import { messageOf } from '../../errors.js';
import type { TopClass } from '../monitor/window.js';
import type { Findings } from '../../prediction.js';
import { type Tensor, firstNonFinite } from '../tensor.js';
import { Feeds } from './feeds.js';
import { headline } from './headline.js';
import { inputStage } from './input.js';
import { type AnyMemory, type Memory, type Stream, recollect } from './memory/memory.js';
import { boxesOf } from './postprocess/boxes.js';
import { type Circumstances, type Prepared, preparing } from './prepare.js';
import type { Answering, FeatureValues, Moment, Postprocess, SignalShape, Stage, Surroundings, View } from './stages.js';
import { StepClock } from './step-clock.js';
import { type Opened, openPostprocess, openPreprocess } from './steps.js';
import { TiledAnswer } from './tiles.js';

/** `outputs`: the model's own, through the softmax or sigmoid that the release declares. */
export type Answer = { findings: Findings; outputs: readonly Tensor[] };

export type Tiled = { add: (outputs: readonly Tensor[], view: View) => void; finish: (moment?: Moment) => Answer };

/** What a release does around its model. */
export type Pipeline = {
  /** What it is asked with besides tensors. */
  asked?: Asked;
  /** An encoded picture, features as JSON text or by name. Absent where the release takes tensors only. */
  preprocess?: (input: Uint8Array | FeatureValues) => Promise<Prepared>;
  /** The same for what a source took: none or several of a chunk of a signal. */
  prepare?: (first: Stage, circumstances?: Circumstances) => Promise<Prepared[]>;
  /** All that the model takes, with what preprocessing made. */
  feeds: Feeds;
  /** What is remembered of a stream; undefined for a release that remembers nothing. */
  recollect: (state: Uint8Array | undefined, stream: Stream) => Memory | undefined;
  /** Throws for an answer that is no number. */
  postprocess: (outputs: readonly Tensor[], view?: View, moment?: Moment) => Answer;
  /** The same of a picture in tiles, which come one by one; absent where there are none. */
  tiled?: () => Tiled;
  /** What an answer that goes back as tensors is counted under; none for a batch. Throws as well. */
  headline: (outputs: readonly Tensor[]) => TopClass | undefined;
  clock: Pick<StepClock, 'families'>;
};

/** Throws an Error that names the step or file that is wrong. */
export async function openPipeline(manifest: Manifest, folder: string): Promise<Pipeline> {
  const { outputs } = manifest;
  const inputs = madeInputs(manifest);
  const problem =
    preprocessProblem(manifest.preprocess, inputs) ??
    feedsProblem(manifest) ??
    postprocessProblem(manifest.postprocess, outputs) ??
    tileProblem(manifest);
  if (problem) throw new Error(problem);
  const memories: AnyMemory[] = [];
  const around: Surroundings = {
    outputs,
    labels: (file, classes) => readLabels(folder, file, classes),
    signal: signalOf(manifest),
    remember: (memory) => void memories.push(memory),
  };
  const before = await openPreprocess(manifest.preprocess, around);
  const feeds = new Feeds(manifest, around);
  const after = await openPostprocess(manifest.postprocess, around);
  const clock = new StepClock([...before, ...after].map(({ name }) => name));
  const postprocess = (answer: readonly Tensor[], view?: View, moment?: Moment) =>
    answerOf({ outputs: answer, view, moment, findings: {} }, after, clock);
  const head = (answer: readonly Tensor[]) => {
    if (after.length > 0 && answer.every(isSingle)) return headline(postprocess(answer).findings);
    checkNumbers(answer);
    return undefined;
  };
  const made = preprocessing(manifest.preprocess);
  const remembered = (state: Uint8Array | undefined, stream: Stream) =>
    memories.length > 0 ? recollect(memories, state, stream) : undefined;
  const tiled = () => tiledAnswer(after, clock);
  const common = { feeds, recollect: remembered, postprocess, tiled, headline: head, clock };
  if (!made || 'problem' in made) return common;
  const { asked } = made;
  const prepare = preparing(before, inputs[0]!.name, clock);
  const preprocess = async (input: Uint8Array | FeatureValues) => only(await prepare(inputStage(asked, input)));
  return { asked, preprocess, prepare, ...common };
}

function signalOf({ preprocess }: Manifest): SignalShape | undefined {
  const signal = preprocess.flatMap((step) => ('signal' in step ? [step.signal] : []))[0];
  return signal && { channels: channelsOf(signal), rate: signal.rate };
}

function only(prepared: readonly Prepared[]): Prepared {
  const [first, ...others] = prepared;
  if (first?.others?.length) throw new Error(`it is ${first.others.length + 1} tiles, and this is asked of one`);
  if (first && others.length === 0) return first;
  throw new Error(`it completes ${prepared.length} windows, and one answer is for one`);
}

function answerOf(first: Answering, steps: readonly Opened<Postprocess>[], clock: StepClock): Answer {
  checkNumbers(first.outputs);
  return told(steps.reduce((before, step) => taken(step, before, clock), first));
}

function taken(step: Opened<Postprocess>, before: Answering, clock: StepClock): Answering {
  const since = performance.now();
  // Steps over time come last, and go by what is found.
  const after = step.run(stepsOverTime.has(step.name) ? withBoxes(before) : before);
  clock.add(step.name, since);
  return after;
}

function told(answering: Answering): Answer {
  const { findings, outputs } = withBoxes(answering);
  return { findings, outputs };
}

function tiledAnswer(steps: readonly Opened<Postprocess>[], clock: StepClock): Tiled {
  const answer = new TiledAnswer(steps, (step, before) => taken(step, before, clock));
  return {
    add: (outputs, view) => {
      checkNumbers(outputs);
      answer.add(outputs, view);
    },
    finish: (moment) => told(answer.finish(moment)),
  };
}

function withBoxes(answering: Answering): Answering {
  const { candidates, ...rest } = answering;
  return candidates ? { ...rest, findings: { ...rest.findings, boxes: boxesOf(candidates, rest.view) } } : answering;
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
