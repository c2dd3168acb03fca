import { softmax } from '../answer.js';
import { logistic, withRows } from '../scores.js';
import type { Postprocess } from '../stages.js';

type Options = { output?: string | undefined };

export const openSoftmax =
  ({ output }: Options): Postprocess =>
  (before) =>
    withRows(before, output, softmax);

export const openSigmoid =
  ({ output }: Options): Postprocess =>
  (before) =>
    withRows(before, output, (row) => Float32Array.from(row, logistic));
