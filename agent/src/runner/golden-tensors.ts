import type { GoldenCase, TensorSignature } from '@flotilla/protocol/device';
import { readFile } from 'node:fs/promises';
import { ReleaseFault } from './fault.js';
import { messageOf } from '../errors.js';
import { parseJson } from '../http/json-body.js';
import { readInputs } from './oip/inputs.js';
import { requestInputs } from './slot-api/predict-request.js';
import { PredictRequest } from './slot-api/slot-schemas.js';
import type { Tensor } from './tensor.js';

/** An input that needs no preprocessing: the body that `POST …/predict` takes, `{"inputs": {name: values}}`. */
export async function goldenTensors(
  file: string,
  { name, input }: GoldenCase,
  expected: readonly TensorSignature[],
): Promise<Tensor[]> {
  try {
    const { inputs } = parseJson(await readFile(file), PredictRequest);
    if (!inputs) throw new Error('it holds no "inputs"; a picture needs "tensor" in its case: what preprocessing must give');
    return readInputs(requestInputs(inputs, expected), expected);
  } catch (error) {
    throw new ReleaseFault('golden', `${name}: ${input} can't be used as tensors: ${messageOf(error)}`);
  }
}
