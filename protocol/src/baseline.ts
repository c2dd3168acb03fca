import { z } from 'zod';
import type { Manifest } from './release.js';

const count = z
  .int()
  .min(0)
  .max(2 ** 40);

/**
 * Counts in bins of their own: one edge more is one bin more, the outer two are open. A value lies in the bin after the last edge that it is
 * not below.
 */
const bins = { edges: z.array(z.number()).min(1).max(31), counts: z.array(count).min(2).max(32) };
type Bins = { edges: readonly number[]; counts: readonly number[] };

const isBinned = ({ edges, counts }: Bins) =>
  counts.length === edges.length + 1 && edges.every((edge, i) => i === 0 || edge > edges[i - 1]!);
const binned = 'edges must rise, and there is one count more than edges';

/**
 * What is measured of one input tensor, over at most 1,024 of its elements, evenly spread: their `mean` and standard `deviation`; `detail`,
 * the mean difference of neighbours (of a picture: in its rows, so that it falls out of focus); `extreme`, the share that equals the least or
 * the greatest of them (saturation); `missing`, the share that is no number. Of a small one each `value`, at its place in a row.
 */
export const InputStatistic = z.enum(['mean', 'deviation', 'detail', 'extreme', 'missing', 'value']);
export type InputStatistic = z.infer<typeof InputStatistic>;

export const InputHistogram = z
  .object({ input: z.string().min(1).max(256), statistic: InputStatistic, at: z.int().min(0).max(65_535).optional(), ...bins })
  .refine(isBinned, binned)
  .refine(({ statistic, at }) => (statistic === 'value') === (at !== undefined), 'a value, and nothing else, is "at" a place');
export type InputHistogram = z.infer<typeof InputHistogram>;

export const mostInputHistograms = 32;

/** `baseline.json`: what inputs, scores and classes looked like when the model was made. What devices see is counted in the same bins. */
export const Baseline = z
  .object({
    v: z.literal(1),
    /** How many inferences it was taken of. */
    inferences: count.min(1),
    inputs: z.array(InputHistogram).max(mostInputHistograms).default([]),
    /** Of the score of the first class. */
    score: z.object(bins).refine(isBinned, binned).optional(),
    classes: z
      .record(z.string().max(128), count)
      .refine((c) => Object.keys(c).length <= 32, 'at most 32 classes')
      .default({}),
    otherClasses: count.default(0),
  })
  .meta({ id: 'Baseline' });
export type Baseline = z.infer<typeof Baseline>;

/** What a window counted in the bins of the release's baseline, in its order. Inputs of every inference, or of some, evenly spread. */
export const BaselineCounts = z.object({
  inputs: z.array(z.array(count).max(32)).max(mostInputHistograms),
  score: z.array(count).max(32).optional(),
});
export type BaselineCounts = z.infer<typeof BaselineCounts>;

/** The picture that a release of several networks takes. */
const pictureOfGraph = 'picture';
export const mostBaselineBytes = 128 * 1024;

/** Which bin of so many edges: by halves, for this is done at each inference. */
export function binAmong(edges: readonly number[], value: number): number {
  let [low, high] = [0, edges.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (edges[middle]! <= value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** What a file says of a release that it can't be true of; undefined for a good one. */
export function baselineProblem(
  { inputs, networks }: Pick<Manifest, 'inputs' | 'networks'>,
  baseline: Baseline,
): string | undefined {
  const known = networks ? [pictureOfGraph] : inputs.flatMap(({ name, type }) => (type === 'BYTES' ? [] : [name]));
  const stranger = baseline.inputs.find(({ input }) => !known.includes(input));
  if (stranger)
    return `inputs: "${stranger.input}" is no input with numbers of this release (${known.join(', ') || 'it has none'}): make the baseline anew`;
  const beyond = baseline.inputs.find(({ input, at }) => {
    const shape = inputs.find(({ name }) => name === input)?.shape;
    return at !== undefined && shape !== undefined && !shape.slice(1).includes(-1) && at >= rowElements(shape);
  });
  return beyond && `inputs: "${beyond.input}" has no value at ${beyond.at}: make the baseline anew`;
}

/** Elements of one row of a batch, or of all where the first dimension is fixed. */
const rowElements = (shape: readonly number[]) =>
  shape.reduce((product, dimension, i) => product * (i === 0 && dimension === -1 ? 1 : dimension), 1);
