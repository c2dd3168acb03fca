import type { SsdBoxes } from '@flotilla/protocol/device';
import { numbersOf, type Tensor } from '../../tensor.js';
import { logistic, outputOf } from '../scores.js';
import type { Answering, Candidates, Postprocess, Surroundings } from '../stages.js';
import { CandidateList } from './candidates.js';
import { ssdAnchors } from './ssd-anchors.js';

/** As MediaPipe's SsdAnchorsCalculator and TensorsToDetectionsCalculator. */
export async function openSsdBoxes(options: SsdBoxes, around: Surroundings): Promise<Postprocess> {
  const anchors = ssdAnchors(options.anchors);
  const count = anchors.length / 4;
  const rows = rowsOf(options.scores, around);
  if (rows >= 0 && rows !== count)
    throw new Error(`ssd-boxes makes ${count} anchors for ${rows} scores in ${options.scores.join(', ')}`);
  const classes = around.outputs.find(({ name }) => name === options.scores[0])?.shape.at(-1);
  const labels = await around.labels(options.labels, classes);
  return (before) =>
    isBatch(before, options.scores) ? before : { ...before, candidates: decode(before, options, anchors, labels) };
}

/** Of all the outputs together; below 0 where the model leaves it open. */
const rowsOf = (names: readonly string[], { outputs }: Surroundings) =>
  names.reduce((sum, wanted) => sum + (outputs.find(({ name }) => name === wanted)?.shape.at(-2) ?? -Infinity), 0);

const isBatch = (before: Answering, names: readonly string[]) => {
  const { shape } = outputOf(before, names[0]);
  return shape.length > 2 && shape[0] !== 1;
};

function decode(before: Answering, options: SsdBoxes, anchors: Float32Array, labels: readonly string[]): Candidates {
  const list = new CandidateList();
  const least = options.sigmoidScore ? inverse(options.minScoreThresh) : options.minScoreThresh;
  let anchor = 0;
  options.scores.forEach((name, i) => {
    const [scores, boxes] = [outputOf(before, name), outputOf(before, options.boxes[i] ?? options.boxes[0])];
    anchor = decodeOutput({ scores, boxes }, { options, anchors, least }, anchor, list);
  });
  return list.sorted(labels);
}

type Decoding = { options: SsdBoxes; anchors: Float32Array; least: number };

function decodeOutput(
  { scores: scoreTensor, boxes: boxTensor }: { scores: Tensor; boxes: Tensor },
  { options, anchors, least }: Decoding,
  firstAnchor: number,
  list: CandidateList,
): number {
  const [scores, boxes] = [numbersOf(scoreTensor), numbersOf(boxTensor)];
  const [classes, width] = [scoreTensor.shape.at(-1)!, boxTensor.shape.at(-1)!];
  const rows = scores.length / classes;
  for (let row = 0; row < rows; row++) {
    const best = bestOf(scores, row * classes, classes);
    const raw = scores[row * classes + best]!;
    // Most anchors see nothing: the score is held against the threshold before it is turned into a share.
    if (raw < least) continue;
    const at = row * width + options.boxCoordOffset;
    list.add(scoreOf(raw, options), best, ...boxOf(boxes, at, anchors, (firstAnchor + row) * 4, options));
  }
  return firstAnchor + rows;
}

function boxOf(
  boxes: ArrayLike<number>,
  at: number,
  anchors: Float32Array,
  anchor: number,
  options: SsdBoxes,
): [number, number, number, number] {
  const { reverseOutputOrder, applyExponentialOnBoxSize, xScale, yScale, wScale, hScale, anchors: grid } = options;
  const [first, second, third, fourth] = [boxes[at]!, boxes[at + 1]!, boxes[at + 2]!, boxes[at + 3]!];
  const [x, y, w, h] = reverseOutputOrder ? [first, second, third, fourth] : [second, first, fourth, third];
  const [anchorX, anchorY, anchorW, anchorH] = [
    anchors[anchor]!,
    anchors[anchor + 1]!,
    anchors[anchor + 2]!,
    anchors[anchor + 3]!,
  ];
  const size = (value: number, scale: number) => (applyExponentialOnBoxSize ? Math.exp(value / scale) : value / scale);
  return [
    ((x / xScale) * anchorW + anchorX) * grid.inputSizeWidth,
    ((y / yScale) * anchorH + anchorY) * grid.inputSizeHeight,
    size(w, wScale) * anchorW * grid.inputSizeWidth,
    size(h, hScale) * anchorH * grid.inputSizeHeight,
  ];
}

function bestOf(scores: ArrayLike<number>, from: number, classes: number): number {
  let best = 0;
  for (let i = 1; i < classes; i++) if (scores[from + i]! > scores[from + best]!) best = i;
  return best;
}

function scoreOf(raw: number, { sigmoidScore, scoreClippingThresh = Infinity }: SsdBoxes): number {
  if (!sigmoidScore) return raw;
  return logistic(Math.min(scoreClippingThresh, Math.max(-scoreClippingThresh, raw)));
}

const inverse = (share: number) => Math.log(share / (1 - share));
