import type { TensorSignature } from '@flotilla/protocol/device';
import { z } from 'zod';
import type { Body } from '../http/body.js';
import { RequestError } from '../../http/http.js';
import { parseJson } from '../../http/json-body.js';
import type { Submission } from '../queue/queue.js';
import { SubmissionParameters, submissionOf } from '../queue/submission.js';
import type { TensorData } from '../tensor.js';
import { RecentHeads } from './recent-heads.js';

const refuse = (message: string) => new RequestError(400, message);

export const RequestParameters = SubmissionParameters.extend({ binary_data_output: z.boolean().optional() });

export type RequestParameters = z.infer<typeof RequestParameters>;

// Parameters that are not named here are dropped, as are fields.
export const InferRequestHead = z.object({
  id: z.string().max(1024).optional(),
  parameters: RequestParameters.optional(),
  inputs: z.array(
    z.object({
      name: z.string(),
      datatype: z.string(),
      shape: z.array(z.int().min(0)).max(8),
      parameters: z.object({ binary_data_size: z.unknown().optional() }).optional(),
      data: z.unknown().optional(),
    }),
  ),
  outputs: z
    .array(
      z.object({
        name: z.string(),
        parameters: z.object({ binary_data: z.boolean().optional(), classification: z.unknown().optional() }).optional(),
      }),
    )
    .optional(),
});
type Head = z.infer<typeof InferRequestHead>;

/** `data` as JSON, or `binary` as bytes, or `contents` as gRPC's typed values: one of them; none where the client forgot. */
export type RequestInput = {
  name: string;
  datatype: string;
  shape: readonly number[];
  data?: unknown;
  binary?: Buffer;
  /** The buffer under `binary` may be given away. */
  ours?: boolean;
  contents?: TypedContents;
};
/** Writes down the values of a tensor whose type and shape are known to be the model's. */
export type TypedContents = (tensor: TensorSignature) => TensorData;
export type WantedOutput = { name: string; binary: boolean };
export type InferRequest = {
  id: string | undefined;
  inputs: readonly RequestInput[];
  /** None named: all are wanted. */
  outputs: readonly WantedOutput[];
  /** Where an output does not say. */
  binaryOutput: boolean;
  submission: Submission;
};

const recent = new RecentHeads<Head>();
const parseHead = (bytes: Buffer): Head => parseJson(bytes, InferRequestHead);

/** `headerLength` is Inference-Header-Content-Length: how much of the (decompressed) body is JSON; without it, all. */
export function parseInferRequest({ bytes: body, ours }: Body, headerLength: string | undefined): InferRequest {
  const split = headerLength === undefined ? body.length : splitAt(headerLength, body.length);
  const json = body.subarray(0, split);
  // Without tensors behind it, the JSON holds their values and is never twice the same.
  const { id, parameters, inputs, outputs = [] } = headerLength === undefined ? parseHead(json) : recent.read(json, parseHead);
  const binaryOutput = parameters?.binary_data_output ?? false;
  return {
    id,
    inputs: withBinary(inputs, headerLength === undefined ? undefined : { bytes: body.subarray(split), ours }),
    outputs: outputs.map((output) => wanted(output, binaryOutput)),
    binaryOutput,
    submission: submissionOf(parameters),
  };
}

function splitAt(headerLength: string, bodyBytes: number): number {
  const what = `the header inference-header-content-length is "${headerLength}"`;
  if (!/^\d+$/.test(headerLength)) throw refuse(`${what}, expected the number of bytes of the JSON before the binary data`);
  if (Number(headerLength) > bodyBytes) throw refuse(`${what}, but the whole body has ${bodyBytes} bytes`);
  return Number(headerLength);
}

function wanted({ name, parameters }: NonNullable<Head['outputs']>[number], binaryOutput: boolean): WantedOutput {
  if (parameters?.classification !== undefined) throw noClassification(name);
  return { name, binary: parameters?.binary_data ?? binaryOutput };
}

export const noClassification = (output: string) =>
  refuse(`output "${output}": classification is not offered; leave the parameter out and rank the scores yourself`);

/** Hands each input its bytes: they follow the JSON in the order of the inputs that name a size. */
function withBinary(inputs: Head['inputs'], binary: Body | undefined): RequestInput[] {
  let offset = 0;
  let last: string | undefined;
  const read = inputs.map(({ parameters, ...input }): RequestInput => {
    const size = binarySize(input, parameters?.binary_data_size);
    if (size === undefined) return input;
    const rest = binary?.bytes.subarray(offset);
    if (!rest) throw refuse(`${sized(input.name, size)}, but the request has no header inference-header-content-length`);
    if (size > rest.length) throw refuse(`${sized(input.name, size)}, but ${rest.length} bytes of the body are left for it`);
    offset += size;
    last = input.name;
    return { ...input, binary: rest.subarray(0, size), ours: binary!.ours };
  });
  const left = (binary?.bytes.length ?? 0) - offset;
  if (left === 0) return read;
  const after =
    last === undefined ? 'the JSON, and no input has parameters.binary_data_size' : `the binary data of input "${last}"`;
  throw refuse(`the body goes on for ${left} bytes after ${after}`);
}

const sized = (name: string, size: number) => `input "${name}" says binary_data_size ${size}`;

function binarySize({ name, data }: RequestInput, size: unknown): number | undefined {
  if (size === undefined) return undefined;
  if (!Number.isSafeInteger(size) || (size as number) < 0)
    throw refuse(`input "${name}" says binary_data_size ${JSON.stringify(size).slice(0, 60)}, expected a number of bytes`);
  if (data !== undefined) throw refuse(`input "${name}" has both "data" and parameters.binary_data_size; send one of them`);
  return size as number;
}
