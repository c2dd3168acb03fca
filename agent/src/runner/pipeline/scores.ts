import type { Answering } from './stages.js';
import { type Tensor, numbersOf } from '../tensor.js';

/** The named output, or the first one. */
export function outputOf({ outputs }: Pick<Answering, 'outputs'>, name: string | undefined): Tensor {
  const output = name === undefined ? outputs[0] : outputs.find((candidate) => candidate.name === name);
  if (!output) throw new Error(`the model gave no output "${name ?? 'at all'}"`);
  return output;
}

/** Each row along the last dimension turned by itself, in place of the output. */
export function withRows(
  before: Answering,
  name: string | undefined,
  turn: (row: Float32Array | Float64Array) => ArrayLike<number>,
): Answering {
  const output = outputOf(before, name);
  const [numbers, width] = [numbersOf(output), output.shape.at(-1) || 1];
  const values = numbers instanceof Float32Array ? numbers : Float64Array.from(numbers);
  const data = new Float32Array(values.length);
  for (let row = 0; row < values.length; row += width) data.set(turn(values.subarray(row, row + width)), row);
  const turned: Tensor = { ...output, type: 'FP32', data };
  return { ...before, outputs: before.outputs.map((candidate) => (candidate === output ? turned : candidate)) };
}

export const logistic = (value: number) => 1 / (1 + Math.exp(-value));

/** The scores of one answer; undefined for those of a batch, which has no single one. */
export function oneRow(output: Tensor): ArrayLike<number> | undefined {
  const values = numbersOf(output);
  return values.length === (output.shape.at(-1) ?? 1) ? values : undefined;
}
