import { type InputSignature, type Manifest, type TensorSignature } from '@flotilla/protocol/device';
import { type Tensor, type TensorData, elementsOf, emptyData } from './tensor.js';

/** An input as made-up data sees it: what the model takes, and what the release says is plausible for it. */
export type Probed = InputSignature;

export const probesOf = (
  { inputs: declared, constants = [] }: Pick<Manifest, 'inputs' | 'constants'>,
  inputs: readonly TensorSignature[],
): Probed[] =>
  inputs.map((input) => {
    const example = declared.find(({ name }) => name === input.name)?.example;
    const constant = constants.find((one) => one.input === input.name);
    return { ...input, example: constant ? { ...example, value: constant.value } : example };
  });

/** A free dimension beyond the first was guessed: where such an input fails, the guess may be at fault and not the model. */
export const areGuessed = (inputs: readonly Probed[]) =>
  inputs.some(({ shape, example }) => example?.shape === undefined && shape.some((dimension, i) => i > 0 && dimension < 0));

/** Floats differ from seed to seed, unless the release says what they are. */
export const areVaried = (inputs: readonly Probed[]) =>
  inputs.some(({ type, example }) => type.startsWith('FP') && example?.value === undefined);

/**
 * An input where no real one is at hand: the example's shape and value; else 1 for a free dimension, floats in [0, 1) from a fixed sequence,
 * and everything else zero. `rows` are for a free first dimension.
 */
export function probe({ name, type, shape, example }: Probed, seed: number, rows?: number): Tensor {
  const dimensions = shape.map((dimension, i) => {
    if (dimension >= 0) return dimension;
    return i === 0 && rows !== undefined ? rows : (example?.shape?.[i] ?? 1);
  });
  const data = emptyData(type, elementsOf(dimensions));
  if (example?.value !== undefined) fill(type, data, example.value);
  else if (type.startsWith('FP')) fillFractions(floatsOf(type, data), seed);
  return { name, type, shape: dimensions, data };
}

function fill(type: Tensor['type'], data: TensorData, value: number): void {
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) data.fill(BigInt(value));
  else if (type.startsWith('FP')) floatsOf(type, data).fill(value);
  else if (!Array.isArray(data)) data.fill(value);
}

/** FP16 lies there as its bits. */
const floatsOf = (type: Tensor['type'], data: TensorData) =>
  type === 'FP16'
    ? new Float16Array((data as Uint16Array<ArrayBuffer>).buffer)
    : (data as Float32Array<ArrayBuffer> | Float64Array<ArrayBuffer>);

/** Numerical Recipes' linear congruential generator: repeatable, and good enough to be no constant. */
function fillFractions(values: { [index: number]: number; length: number }, seed: number): void {
  let state = seed >>> 0;
  for (let i = 0; i < values.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    values[i] = (state >>> 8) / 2 ** 24;
  }
}
