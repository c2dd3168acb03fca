import { type Constant, type InputSignature, type Manifest, type Recurrent, fedShape } from '@flotilla/protocol/device';
import { type Tensor, type TensorData, elementsOf, emptyData, firstNonFinite } from '../tensor.js';
import type { Memory, Remembers } from './memory/memory.js';
import { bytesOf } from './memory/numbers.js';
import type { Surroundings } from './stages.js';

/** `seen`: results since the beginning. */
type Kept = { tensor: Tensor; seen: number };
type Loop = { recurrent: Recurrent; input: InputSignature; memory: Remembers<Kept> };

/** What the model takes besides what preprocessing makes: constants, and what it said of itself the last time. */
export class Feeds {
  readonly #names: readonly string[];
  readonly #constants: readonly (Constant & { input: string; of: InputSignature })[];
  readonly #loops: readonly Loop[];
  /** Outputs that are nobody's finding. */
  readonly ownOutputs: ReadonlySet<string>;

  constructor(
    { inputs, constants = [], recurrent = [] }: Pick<Manifest, 'inputs' | 'constants' | 'recurrent'>,
    around: Surroundings,
  ) {
    const named = (name: string) => inputs.find((input) => input.name === name)!;
    this.#names = inputs.map(({ name }) => name);
    this.#constants = constants.map((constant) => ({ ...constant, of: named(constant.input) }));
    this.#loops = recurrent.map((one) => ({ recurrent: one, input: named(one.input), memory: memoryOf(one, named(one.input)) }));
    this.ownOutputs = new Set(recurrent.map(({ output }) => output));
    for (const { memory } of this.#loops) around.remember?.(memory);
  }

  /** All inputs, in the order in which the release lists them. Each is the engine's to keep. */
  with(made: Tensor, memory?: Memory): Tensor[] {
    if (this.#names.length === 1) return [made];
    const fed = [made, ...this.#constants.map(constantOf), ...this.#loops.map((loop) => recurrentOf(loop, memory))];
    return this.#names.map((name) => fed.find((tensor) => tensor.name === name)!);
  }

  /** What the next run is given. */
  keep(outputs: readonly Tensor[], memory: Memory): void {
    for (const { recurrent, input, memory: what } of this.#loops) {
      const output = outputs.find(({ name }) => name === recurrent.output)!;
      const shape = fedShape(input);
      if (output.shape.join() !== shape.join())
        throw new Error(
          `the model's output ${output.name} is [${output.shape.join(',')}], and goes back in as [${shape.join(',')}]`,
        );
      const seen = (memory.recall(what)?.seen ?? 0) + 1;
      memory.keep(what, { tensor: { ...output, name: input.name }, seen }, seen > recurrent.settle);
    }
  }
}

function constantOf({ value, of }: { value: number; of: InputSignature }): Tensor {
  return filled(of, value);
}

function recurrentOf({ recurrent, input, memory: what }: Loop, memory: Memory | undefined): Tensor {
  const kept = memory?.recall(what)?.tensor;
  if (!kept) return filled(input, recurrent.initial === 'zeros' ? 0 : recurrent.initial);
  return { ...kept, data: kept.data.slice() as TensorData };
}

function filled(input: InputSignature, value: number): Tensor {
  const { name, type } = input;
  const shape = fedShape(input);
  const data = emptyData(type, elementsOf(shape));
  if (type === 'FP16') new Float16Array((data as Uint16Array<ArrayBuffer>).buffer).fill(value);
  else if (data instanceof BigInt64Array || data instanceof BigUint64Array) data.fill(BigInt(value));
  else if (!Array.isArray(data)) data.fill(value);
  return { name, type, shape, data };
}

function memoryOf({ input: name, onSwap, onGap }: Recurrent, input: InputSignature): Remembers<Kept> {
  const { type } = input;
  const shape = fedShape(input);
  return {
    key: `recurrent ${name}`,
    signature: `${type} [${shape.join(',')}]`,
    onSwap,
    onGap,
    write: ({ tensor, seen }) => ({ value: seen, data: bytesOf(tensor.data as Exclude<TensorData, string[]>) }),
    read: ({ value, data }) => {
      if (!Number.isSafeInteger(value) || (value as number) < 1) throw new Error('it does not say how often it ran');
      const tensor: Tensor = { name, type, shape, data: numbersFrom(input, data) };
      const bad = firstNonFinite(tensor);
      if (bad >= 0) throw new Error(`it holds NaN or infinity at index ${bad}`);
      return { tensor, seen: value as number };
    },
  };
}

function numbersFrom(input: InputSignature, bytes: Uint8Array | undefined): TensorData {
  const data = emptyData(input.type, elementsOf(fedShape(input))) as Exclude<TensorData, string[]>;
  if (bytes?.byteLength !== data.byteLength)
    throw new Error(`it has ${bytes?.byteLength ?? 0} bytes, expected ${data.byteLength}`);
  new Uint8Array(data.buffer).set(bytes);
  return data;
}
