import { status } from '@grpc/grpc-js';
import { type Check, type Level, hold, skip } from '../check.js';
import { toBytes } from '../values.js';
import type { GrpcContext } from './context.js';
import { type InferRequest, type InputTensor, fieldOf } from './messages.js';

type Build = (context: GrpcContext) => InferRequest;
type Case = [id: string, level: Level, fault: string, build: Build];

/** The request with its first input changed. */
const change =
  (how: (tensor: InputTensor) => object): Build =>
  (context) => {
    const request = context.raw();
    return { ...request, inputs: request.inputs.with(0, how(request.inputs[0]!) as InputTensor) };
  };
const bytes =
  (how: (raw: Buffer[]) => Buffer[]): Build =>
  (context) => {
    const request = context.raw();
    return { ...request, raw_input_contents: how(request.raw_input_contents) };
  };
const values =
  (how: (values: unknown[]) => unknown[]): Build =>
  (context) => {
    const request = context.typed();
    const [first] = request.inputs;
    const field = fieldOf(first!.datatype)!;
    first!.contents = { [field]: how(first!.contents![field]!) };
    return request;
  };

function wrongField(context: GrpcContext): InferRequest {
  const request = context.typed();
  const [first] = request.inputs;
  const count = Object.values(first!.contents!)[0]!.length;
  const field = first!.datatype === 'BOOL' ? 'fp32_contents' : 'bool_contents';
  first!.contents = { [field]: Array.from({ length: count }, () => (field === 'bool_contents' ? true : 1)) };
  return request;
}

function otherSize(context: GrpcContext): InferRequest {
  const request = context.raw();
  const at = context.model.inputs.findIndex(({ shape }) => shape.some((d) => d > 0));
  if (at < 0) skip('the model fixes no dimension');
  const fixed = context.model.inputs[at]!.shape;
  const shape = request.inputs[at]!.shape.map((d, i) => (fixed[i]! > 0 ? d + 1 : d));
  const { datatype, values: before } = context.tensors()[at]!;
  const count = shape.reduce((product, d) => product * d, 1);
  const filled = Array.from({ length: count }, () => before[0]);
  return {
    ...request,
    inputs: request.inputs.with(at, { ...request.inputs[at]!, shape }),
    raw_input_contents: request.raw_input_contents.with(at, toBytes(datatype, filled)),
  };
}

const cases: Case[] = [
  ['unknown-model', 'MUST', 'a model that does not exist', (context) => ({ ...context.raw(), model_name: 'no-such-model' })],
  ['unknown-version', 'MUST', 'a version that does not exist', (context) => ({ ...context.raw(), model_version: '987.654.321' })],
  ['no-inputs', 'MUST', 'no inputs at all', (context) => ({ model_name: context.model.name, inputs: [] })],
  [
    'missing-input',
    'MUST',
    'an input of the model missing',
    (context) => ({
      ...context.raw(),
      inputs: context.raw().inputs.slice(1),
      raw_input_contents: context.raw().raw_input_contents.slice(1),
    }),
  ],
  [
    'unknown-input',
    'SHOULD',
    'an input that the model does not have',
    change((tensor) => ({ ...tensor, name: 'no-such-input' })),
  ],
  [
    'unknown-output',
    'MUST',
    'an output that the model does not have',
    (context) => ({ ...context.raw(), outputs: [{ name: 'no-such-output' }] }),
  ],
  [
    'no-such-datatype',
    'MUST',
    'a datatype that the protocol does not have',
    change((tensor) => ({ ...tensor, datatype: 'FLOAT99' })),
  ],
  ['other-rank', 'SHOULD', 'a shape of another rank', change((tensor) => ({ ...tensor, shape: [...tensor.shape, 1] }))],
  ['other-size', 'SHOULD', 'another size than a fixed dimension has', otherSize],
  [
    'negative-dimension',
    'MUST',
    'a dimension below zero',
    change((tensor) => ({ ...tensor, shape: tensor.shape.length > 0 ? tensor.shape.with(0, -1) : [-1] })),
  ],
  ['raw-short', 'MUST', 'raw contents shorter than shape and datatype say', bytes((raw) => raw.with(0, raw[0]!.subarray(0, -1)))],
  [
    'raw-long',
    'MUST',
    'raw contents longer than shape and datatype say',
    bytes((raw) => raw.with(0, Buffer.concat([raw[0]!, Buffer.alloc(8)]))),
  ],
  [
    'raw-too-few',
    'MUST',
    'raw contents for fewer tensors than there are inputs',
    bytes((raw) => (raw.length > 1 ? raw.slice(1) : skip('the model has one input'))),
  ],
  ['raw-too-many', 'MUST', 'raw contents for more tensors than there are inputs', bytes((raw) => [...raw, Buffer.alloc(4)])],
  [
    'raw-and-typed',
    'MUST',
    'raw and typed contents in one request',
    (context) => ({ ...context.typed(), raw_input_contents: context.raw().raw_input_contents }),
  ],
  [
    'no-contents',
    'MUST',
    'neither raw nor typed contents',
    (context) => ({ model_name: context.model.name, inputs: context.raw().inputs }),
  ],
  ['typed-too-few', 'MUST', 'fewer typed values than the shape holds', values((all) => all.slice(1))],
  ['typed-too-many', 'MUST', 'more typed values than the shape holds', values((all) => [...all, all[0]])],
  ['typed-other-field', 'MUST', "values in a field that is not the datatype's", wrongField],
];

const ours = [status.INVALID_ARGUMENT, status.NOT_FOUND, status.OUT_OF_RANGE, status.FAILED_PRECONDITION];

export const errors: Check<GrpcContext>[] = [
  ...cases.flatMap(([id, level, fault, build]): Check<GrpcContext>[] => [
    {
      id: `grpc.error.${id}`,
      level,
      clause: `${fault} is an error`,
      run: async (context) => {
        const { code } = await context.client.call('ModelInfer', build(context));
        hold(code !== status.OK, 'the status is OK');
      },
    },
    {
      id: `grpc.error.${id}.code`,
      level: 'SHOULD',
      clause: `${fault} is the client's fault: ${ours.map((code) => status[code]).join(', ')}`,
      run: async (context) => {
        const { code, details } = await context.client.call('ModelInfer', build(context));
        hold(ours.includes(code), `the status is ${status[code]}: ${details}`);
      },
    },
  ]),
  {
    id: 'grpc.error.malformed-message',
    level: 'MUST',
    clause: 'bytes that are no protobuf message are an error, and the connection lives on',
    run: async (context) => {
      const garbage = Buffer.from('ffffffffffffffffff', 'hex');
      const { code } = await context.client.raw('/inference.GRPCInferenceService/ModelInfer', garbage, {
        responseDeserialize: () => ({}),
      });
      hold(code !== status.OK, 'the status is OK');
      await context.infer(context.raw());
    },
  },
  {
    id: 'grpc.error.unknown-method',
    level: 'MUST',
    clause: 'a method that does not exist is UNIMPLEMENTED',
    run: async ({ client }) => {
      const { code } = await client.raw('/inference.GRPCInferenceService/NoSuchMethod', Buffer.alloc(0), {
        responseDeserialize: () => ({}),
      });
      hold(code === status.UNIMPLEMENTED, `the status is ${status[code]}`);
    },
  },
];
