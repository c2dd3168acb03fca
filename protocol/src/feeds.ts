import { z } from 'zod';
import { InputSignature } from './example.js';
import type { PreprocessStep } from './preprocess.js';
import { OnSwap, channelsOf, windowLength } from './signal.js';
import type { Datatype, TensorSignature } from './tensors.js';

/** What a model takes besides what preprocessing makes. */

const tensorName = z.string().min(1).max(256);

/** An input that is always the same, of each element. */
export const Constant = z.strictObject({ input: tensorName, value: z.number() });
export type Constant = z.infer<typeof Constant>;

/** An input that is what an output of the run before was. */
export const Recurrent = z.strictObject({
  input: tensorName,
  output: tensorName,
  /** Of each element, where nothing came before. */
  initial: z.union([z.literal('zeros'), z.number()]),
  onSwap: OnSwap,
  /** Where something of the stream was lost. */
  onGap: z.enum(['reset', 'carry']).default('reset'),
  /** How many results after a beginning are uncertain. */
  settle: z.int().min(1).max(100_000).default(1),
});
export type Recurrent = z.infer<typeof Recurrent>;

type Feeding = {
  inputs: readonly InputSignature[];
  outputs: readonly TensorSignature[];
  preprocess: readonly PreprocessStep[];
  constants?: readonly Constant[] | undefined;
  recurrent?: readonly Recurrent[] | undefined;
};

/** The inputs that preprocessing must make. */
export const madeInputs = ({
  inputs,
  constants = [],
  recurrent = [],
}: Omit<Feeding, 'outputs' | 'preprocess'>): InputSignature[] => {
  const fed = new Set([...constants, ...recurrent].map(({ input }) => input));
  return inputs.filter(({ name }) => !fed.has(name));
};

/** The shape that an input is fed with: a free dimension is what its example says, or 1. */
export const fedShape = ({ shape, example }: InputSignature): number[] =>
  shape.map((dimension, i) => (dimension >= 0 ? dimension : (example?.shape?.[i] ?? 1)));

/** Why constants and recurrent inputs don't go together with the model; undefined when they do. */
export function feedsProblem(release: Feeding): string | undefined {
  const { constants = [], recurrent = [], inputs, preprocess } = release;
  if (constants.length + recurrent.length === 0) return stateProblem(release);
  if (preprocess.length === 0)
    return 'constants and recurrent stand beside preprocess, and there is none: who sends tensors sends all of them';
  const names = [...constants, ...recurrent].map(({ input }) => input);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) return `the input "${twice}" is fed twice by constants and recurrent`;
  const stranger = names.find((name) => !inputs.some((input) => input.name === name));
  if (stranger !== undefined)
    return `the input "${stranger}" is fed, and is no input; there are ${inputs.map(({ name }) => name).join(', ')}`;
  for (const constant of constants) {
    const { type } = inputs.find(({ name }) => name === constant.input)!;
    const checked = InputSignature.safeParse({ name: constant.input, type, shape: [], example: { value: constant.value } });
    if (!checked.success) return `constants: ${constant.value} is no ${type}, which "${constant.input}" takes`;
  }
  return firstOf(recurrent, (one) => recurrentProblem(one, release)) ?? stateProblem(release);
}

function recurrentProblem({ input: name, output: from }: Recurrent, { inputs, outputs }: Feeding): string | undefined {
  const input = inputs.find((candidate) => candidate.name === name)!;
  const output = outputs.find((candidate) => candidate.name === from);
  if (!output) return `recurrent: "${name}" comes from the output "${from}"; there are ${outputs.map((o) => o.name).join(', ')}`;
  const wanted = fedShape(input);
  const fits =
    output.shape.length === wanted.length && output.shape.every((dimension, i) => dimension === -1 || dimension === wanted[i]);
  if (fits && output.type === input.type && input.type !== 'BYTES') return undefined;
  return `recurrent: the output "${from}" is ${output.type} [${output.shape.join(',')}], the input "${name}" takes ${input.type} [${wanted.join(',')}]`;
}

const firstOf = <T>(all: readonly T[], problem: (one: T) => string | undefined) => {
  for (const one of all) {
    const found = problem(one);
    if (found !== undefined) return found;
  }
  return undefined;
};

/** It travels with each frame, there and back. Bytes; the rest of a mebibyte is for what steps over time remember. */
const mostTensorState = 768 * 1024;

function stateProblem({ inputs, preprocess, recurrent = [] }: Feeding): string | undefined {
  const tensors = recurrent.reduce((sum, { input: name }) => {
    const input = inputs.find((candidate) => candidate.name === name)!;
    return sum + fedShape(input).reduce((product, dimension) => product * dimension, widthOf(input.type));
  }, 0);
  const total = tensors + tailBytes(preprocess);
  return total <= mostTensorState
    ? undefined
    : `recurrent inputs and window remember ${total} bytes of a stream; ${mostTensorState} are the most`;
}

/** What is left of a signal between two chunks, at most. */
function tailBytes(steps: readonly PreprocessStep[]): number {
  const signal = steps.flatMap((step) => ('signal' in step ? [step.signal] : []))[0];
  const window = steps.flatMap((step) => ('window' in step ? [step.window] : []))[0];
  return signal && window ? windowLength(window) * channelsOf(signal) * 4 : 0;
}

const widthOf = (type: Datatype): number => (type === 'BOOL' ? 1 : Number(/\d+/.exec(type)?.[0] ?? 8) / 8);
