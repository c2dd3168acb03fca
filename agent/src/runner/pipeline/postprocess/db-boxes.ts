import type { DbBoxes } from '@flotilla/protocol/device';
import { type Tensor, numbersOf } from '../../tensor.js';
import { outputOf } from '../scores.js';
import type { Candidates, Postprocess, Surroundings } from '../stages.js';
import { inReadingOrder } from './reading-order.js';
import { type Rectangle, cornersOf, grown, smallestAround } from './rectangle.js';
import { type ScoreMap, meanWithin, outlinesOf } from './regions.js';

/** As PP-OCR's DBPostProcess with rectangles: a map of how likely each pixel is text becomes boxes at whatever angle. */
export function openDbBoxes(options: DbBoxes, { outputs }: Surroundings): Postprocess {
  const { name, shape } = outputs.find((candidate) => candidate.name === options.output) ?? outputs[0]!;
  if (shape.length !== 4 || (shape[1] !== 1 && shape[1] !== -1))
    throw new Error(`db-boxes reads [1, 1, height, width], the output ${name} has [${shape.join(',')}]`);
  return (before) => {
    const output = outputOf(before, options.output);
    return output.shape[0] === 1 ? { ...before, candidates: boxesIn(mapOf(output), options) } : before;
  };
}

const mapOf = (output: Tensor): ScoreMap => ({
  values: numbersOf(output),
  height: output.shape[2]!,
  width: output.shape[3]!,
});

type Found = { score: number; rectangle: Rectangle };
/** What PP-OCR asks of a rectangle's shorter side once it has grown. */
const grownBy = 2;

function boxesIn(map: ScoreMap, { threshold, minScore, minSide, unclip, maxBoxes, order, label }: DbBoxes): Candidates {
  const found: Found[] = [];
  for (const outline of outlinesOf(map, threshold)) {
    const tight = smallestAround(outline);
    if (Math.min(tight.width, tight.height) < minSide) continue;
    const score = meanWithin(map, cornersOf(tight));
    if (score < minScore) continue;
    const rectangle = grown(tight, unclip);
    if (Math.min(rectangle.width, rectangle.height) >= minSide + grownBy) found.push({ score, rectangle });
  }
  const best = found.toSorted((a, b) => b.score - a.score).slice(0, maxBoxes);
  return candidatesOf(order === 'reading' ? inReadingOrder(best, ({ rectangle }) => cornersOf(rectangle)[0]) : best, label);
}

function candidatesOf(found: readonly Found[], label: string): Candidates {
  const quads = Float32Array.from(found.flatMap(({ rectangle }) => cornersOf(rectangle).flat()));
  return {
    corners: Float32Array.from(found.flatMap((_, i) => boundsOf(quads.subarray(i * 8, i * 8 + 8)))),
    quads,
    scores: Float32Array.from(found, ({ score }) => score),
    classes: new Int32Array(found.length),
    count: found.length,
    labels: [label],
  };
}

function boundsOf(quad: Float32Array): number[] {
  const [xs, ys] = [0, 1].map((first) => [0, 2, 4, 6].map((at) => quad[at + first]!)) as [number[], number[]];
  return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
}
