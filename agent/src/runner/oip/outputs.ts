import type { TensorSignature } from '@flotilla/protocol/device';
import { RequestError } from '../../http/http.js';
import { type Tensor, describeTensor } from '../tensor.js';
import type { InferRequest, WantedOutput } from './request.js';
import { binaryOf } from './tensor-binary.js';
import { tensorToJson } from './tensor-json.js';

const refuse = (message: string) => new RequestError(400, message);

/** What to answer with, in the order asked for: all outputs where none is named. */
export function wantedOutputs(request: InferRequest, existing: readonly TensorSignature[]): readonly WantedOutput[] {
  const { outputs, binaryOutput } = request;
  if (outputs.length === 0) return existing.map(({ name }) => ({ name, binary: binaryOutput }));
  const unknown = outputs.find(({ name }) => !existing.some((signature) => signature.name === name));
  if (unknown) throw refuse(`there is no output "${unknown.name}"; the model gives ${existing.map(describeTensor).join(', ')}`);
  // A short request could otherwise ask for any number of copies of a long answer.
  const repeated = outputs.find(({ name }, i) => outputs.findIndex((other) => other.name === name) !== i);
  if (repeated) throw refuse(`output "${repeated.name}" was asked for twice`);
  return outputs;
}

export type ResponseHead = { model_name: string; model_version: string; id?: string };
type EncodedResponse = { headers: Record<string, string>; body: Buffer; tail?: readonly Buffer[] };

/** Less than this is copied into one piece; more is not worth a copy. */
const joinBelowBytes = 16 * 1024;

/** Plain JSON, or JSON followed by the bytes of the outputs wanted as binary. Throws where JSON can't carry a value. */
export function encodeResponse(head: ResponseHead, wanted: readonly WantedOutput[], outputs: readonly Tensor[]): EncodedResponse {
  const blobs: Buffer[] = [];
  const described = wanted.map(({ name, binary }) => {
    const tensor = outputs.find((output) => output.name === name);
    if (!tensor) throw new Error(`the model gave no output "${name}"`);
    if (!binary) return tensorToJson(tensor);
    const blob = binaryOf(tensor);
    blobs.push(blob);
    return { name, datatype: tensor.type, shape: tensor.shape, parameters: { binary_data_size: blob.length } };
  });
  const json = Buffer.from(JSON.stringify({ ...head, outputs: described }));
  if (blobs.length === 0) return { headers: { 'content-type': 'application/json' }, body: json };
  const headers = { 'content-type': 'application/octet-stream', 'inference-header-content-length': String(json.length) };
  const isShort = blobs.reduce((sum, { length }) => sum + length, 0) < joinBelowBytes;
  return isShort ? { headers, body: Buffer.concat([json, ...blobs]) } : { headers, body: json, tail: blobs };
}
