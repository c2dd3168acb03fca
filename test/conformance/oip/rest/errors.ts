import { type Check, type Level, hold, skip } from '../check.js';
import { countOf } from '../values.js';
import { type Came, jsonOf } from './client.js';
import type { InferBody, JsonTensor, RestContext } from './context.js';
import { conforms } from './schema.js';

type Case = { id: string; level: Level; fault: string; send: (context: RestContext) => Promise<Came> };

/** The request with its first input changed. */
function spoilt(context: RestContext, change: (tensor: JsonTensor) => object): InferBody {
  const body = context.body();
  const [first, ...others] = body.inputs;
  return { inputs: [change(first!) as JsonTensor, ...others] };
}

const infer = (build: (context: RestContext) => object | string) => (context: RestContext) => context.post(build(context));
const change = (how: (tensor: JsonTensor) => object) => infer((context) => spoilt(context, how));
const get = (path: (context: RestContext) => string) => (context: RestContext) => context.client.send({ path: path(context) });

function oneMore({ datatype, data, ...tensor }: JsonTensor): object {
  return { ...tensor, datatype, data: [...data!, data![0] ?? (datatype === 'BYTES' ? '' : 0)] };
}

const otherType = (datatype: string) => (datatype === 'INT32' ? 'FP32' : 'INT32');

/** Another size where the model fixes one. */
function otherSize(context: RestContext): InferBody {
  const body = context.body();
  const at = context.model.inputs.findIndex(({ shape }) => shape.some((d) => d > 0));
  if (at < 0) skip('the model fixes no dimension');
  const shape = context.model.inputs[at]!.shape.map((d, i) => (d > 0 ? d + 1 : body.inputs[at]!.shape[i]!));
  const tensor = { ...body.inputs[at]!, shape };
  tensor.data = Array.from({ length: countOf(shape) }, () => tensor.data![0]);
  return { inputs: body.inputs.with(at, tensor) };
}

const cases: Case[] = [
  {
    id: 'metadata-unknown-model',
    level: 'MUST',
    fault: 'metadata of a model that does not exist',
    send: get(() => '/v2/models/no-such-model'),
  },
  {
    id: 'metadata-unknown-version',
    level: 'MUST',
    fault: 'metadata of a version that does not exist',
    send: get((context) => context.path('', '987.654.321')),
  },
  {
    id: 'unknown-model',
    level: 'MUST',
    fault: 'a model that does not exist',
    send: (context) => context.client.send({ method: 'POST', path: '/v2/models/no-such-model/infer', body: context.body() }),
  },
  {
    id: 'unknown-version',
    level: 'MUST',
    fault: 'a version that does not exist',
    send: (context) => context.post(context.body(), {}, '987.654.321'),
  },
  { id: 'malformed-json', level: 'MUST', fault: 'a body that is no JSON', send: (context) => context.post('{"inputs": [') },
  { id: 'empty-body', level: 'MUST', fault: 'no body at all', send: (context) => context.post('') },
  { id: 'not-an-object', level: 'MUST', fault: 'a body that is JSON and no object', send: (context) => context.post('[1, 2]') },
  { id: 'no-inputs-member', level: 'MUST', fault: '"inputs" missing', send: (context) => context.post({ id: 'x' }) },
  {
    id: 'missing-input',
    level: 'MUST',
    fault: 'an input of the model missing',
    send: infer((context) => ({ inputs: context.body().inputs.slice(1) })),
  },
  { id: 'no-name', level: 'MUST', fault: 'an input without a name', send: change((tensor) => ({ ...tensor, name: undefined })) },
  {
    id: 'no-shape',
    level: 'MUST',
    fault: 'an input without a shape',
    send: change((tensor) => ({ ...tensor, shape: undefined })),
  },
  {
    id: 'no-datatype',
    level: 'MUST',
    fault: 'an input without a datatype',
    send: change((tensor) => ({ ...tensor, datatype: undefined })),
  },
  { id: 'no-data', level: 'MUST', fault: 'an input without data', send: change((tensor) => ({ ...tensor, data: undefined })) },
  {
    id: 'unknown-input',
    level: 'SHOULD',
    fault: 'an input that the model does not have',
    send: change((tensor) => ({ ...tensor, name: 'no-such-input' })),
  },
  {
    id: 'input-twice',
    level: 'SHOULD',
    fault: 'an input that comes twice',
    send: infer((context) => ({ inputs: [...context.body().inputs, context.body().inputs[0]] })),
  },
  {
    id: 'unknown-output',
    level: 'MUST',
    fault: 'an output that the model does not have',
    send: infer((context) => ({ ...context.body(), outputs: [{ name: 'no-such-output' }] })),
  },
  {
    id: 'no-such-datatype',
    level: 'MUST',
    fault: 'a datatype that the protocol does not have',
    send: change((tensor) => ({ ...tensor, datatype: 'FLOAT99' })),
  },
  {
    id: 'other-datatype',
    level: 'SHOULD',
    fault: "a datatype that is not the input's",
    send: change((tensor) => ({ ...tensor, datatype: otherType(tensor.datatype) })),
  },
  {
    id: 'too-few-values',
    level: 'MUST',
    fault: 'fewer values than the shape holds',
    send: change((tensor) => ({ ...tensor, data: tensor.data!.slice(1) })),
  },
  { id: 'too-many-values', level: 'MUST', fault: 'more values than the shape holds', send: change(oneMore) },
  {
    id: 'ragged',
    level: 'MUST',
    fault: 'nested data that does not have the shape',
    send: change((tensor) => ({ ...tensor, data: [tensor.data!, tensor.data!.slice(1)] })),
  },
  {
    id: 'other-rank',
    level: 'SHOULD',
    fault: 'a shape of another rank',
    send: change((tensor) => ({ ...tensor, shape: [...tensor.shape, 1] })),
  },
  { id: 'other-size', level: 'SHOULD', fault: 'another size than a fixed dimension has', send: infer(otherSize) },
  {
    id: 'negative-dimension',
    level: 'MUST',
    fault: 'a dimension below zero',
    send: change((tensor) => ({ ...tensor, shape: tensor.shape.length > 0 ? tensor.shape.with(0, -1) : [-1] })),
  },
  {
    id: 'fractional-dimension',
    level: 'MUST',
    fault: 'a dimension that is no integer',
    send: change((tensor) => ({ ...tensor, shape: tensor.shape.length > 0 ? tensor.shape.with(0, 1.5) : [1.5] })),
  },
  {
    id: 'value-is-object',
    level: 'MUST',
    fault: 'a value that is an object',
    send: change((tensor) => ({ ...tensor, data: tensor.data!.map(() => ({})) })),
  },
  { id: 'infer-with-get', level: 'SHOULD', fault: 'GET where POST is meant', send: get((context) => context.path('/infer')) },
  { id: 'unknown-path', level: 'SHOULD', fault: 'a path that does not exist', send: get(() => '/v2/no/such/path') },
];

/** Two for each fault: that it is refused in the protocol's form, and that the client is told whose fault it was. */
export const errors: Check<RestContext>[] = cases.flatMap(({ id, level, fault, send }) => [
  {
    id: `rest.error.${id}`,
    level,
    clause: `${fault} is answered with an error status and {"error": string}`,
    run: async (context) => {
      const came = await send(context);
      hold(came.status >= 400, `status ${came.status}, expected an error status`);
      const body = jsonOf(came);
      conforms('inference_error_response', body);
      hold(typeof (body as { error?: unknown }).error === 'string', 'the body has no "error"');
    },
  },
  {
    id: `rest.error.${id}.status`,
    level: 'SHOULD',
    clause: `${fault} is the client's fault: 4xx`,
    run: async (context) => {
      const { status } = await send(context);
      hold(status >= 400 && status < 500, `status ${status}, expected 4xx`);
    },
  },
]);
