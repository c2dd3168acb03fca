import { z } from 'zod';
import { type Datatype, TensorSignature } from './tensors.js';

const mostExampleElements = 16 * 1024 * 1024;
/** A plausible input, to warm a model up and to measure it with: made-up ones have 1 for a free dimension, and zeros for integers. */
export const ExampleInput = z.strictObject({
  shape: z.array(z.int().min(1).max(1_000_000_000)).max(8).optional(),
  /** Of each element. */
  value: z.number().optional(),
});
export type ExampleInput = z.infer<typeof ExampleInput>;

export const InputSignature = TensorSignature.extend({ example: ExampleInput.optional() }).check(({ value, issues }) => {
  const obstacle = exampleObstacle(value);
  if (obstacle) issues.push({ code: 'custom', path: ['example', obstacle.at], message: obstacle.why, input: value.example });
});
export type InputSignature = z.infer<typeof InputSignature>;

type WithExample = TensorSignature & { example?: ExampleInput | undefined };
function exampleObstacle({ type, shape, example = {} }: WithExample): { at: 'shape' | 'value'; why: string } | undefined {
  const { shape: own, value } = example;
  const fits = own?.length === shape.length && shape.every((dimension, i) => dimension === -1 || dimension === own[i]);
  if (own && !fits) return { at: 'shape', why: `[${own.join(',')}] does not fit [${shape.join(',')}] (-1 is free)` };
  if (own && own.reduce((product, dimension) => product * dimension, 1) > mostExampleElements)
    return { at: 'shape', why: `[${own.join(',')}] has more than ${mostExampleElements} elements` };
  if (value !== undefined && !holds(type, value)) return { at: 'value', why: `${value} is no ${type}` };
  return undefined;
}

/** Whether a number is one of a datatype's; for 64 bits, only what JSON carries exactly. */
function holds(type: Datatype, value: number): boolean {
  if (type.startsWith('FP')) return true;
  if (type === 'BYTES' || !Number.isSafeInteger(value)) return false;
  const [, unsigned, bits] = /^(U?)INT(\d+)$/.exec(type) ?? ['', 'U', '1'];
  const [least, most] = unsigned ? [0, 2 ** Number(bits) - 1] : [-(2 ** (Number(bits) - 1)), 2 ** (Number(bits) - 1) - 1];
  return value >= least && value <= most;
}
