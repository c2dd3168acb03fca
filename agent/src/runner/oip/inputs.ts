import type { TensorSignature } from '@flotilla/protocol/device';
import { RequestError } from '../../http/http.js';
import { type Tensor, type TensorData, describeTensor } from '../tensor.js';
import type { RequestInput } from './request.js';
import { dataFromBinary } from './tensor-binary.js';
import { dataFromJson } from './tensor-json.js';

const refuse = (message: string) => new RequestError(400, message);

/** The model's inputs in its own order, or a refusal that names the input, what came and what was expected. */
export function readInputs(inputs: readonly RequestInput[], expected: readonly TensorSignature[]): Tensor[] {
  const takes = `the model takes ${expected.map(describeTensor).join(', ')}`;
  // First, for then no more than the model's own names can repeat.
  const unknown = inputs.find(({ name }) => !expected.some((signature) => signature.name === name));
  if (unknown) throw refuse(`there is no input "${unknown.name}"; ${takes}`);
  const repeated = inputs.find(({ name }, i) => inputs.findIndex((other) => other.name === name) !== i);
  if (repeated) throw refuse(`input "${repeated.name}" came twice`);
  return expected.map((signature) => {
    const input = inputs.find(({ name }) => name === signature.name);
    if (!input) throw refuse(`input "${signature.name}" is missing; ${takes}`);
    return readInput(input, signature);
  });
}

function readInput(input: RequestInput, { type, shape: expected }: TensorSignature): Tensor {
  const { name, datatype, shape } = input;
  if (datatype !== type) throw refuse(`input "${name}" came as ${datatype}, expected ${type}`);
  const came = `input "${name}" came with shape [${shape.join(',')}]`;
  if (!fits(expected, shape)) throw refuse(`${came}, expected [${expected.join(',')}] (-1 is free)`);
  const tensor = { name, type, shape: [...shape] };
  return { ...tensor, data: dataOf(tensor, input) };
}

function dataOf(tensor: TensorSignature, { binary, ours, contents, data }: RequestInput): TensorData {
  if (binary) return dataFromBinary(tensor, binary, ours);
  return contents ? contents(tensor) : dataFromJson(tensor, data);
}

const fits = (expected: readonly number[], actual: readonly number[]) =>
  expected.length === actual.length && expected.every((dimension, i) => dimension === -1 || dimension === actual[i]);
