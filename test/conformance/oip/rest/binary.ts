import { type Check, hold, skip } from '../check.js';
import { type Datatype, countOf, datatypes, isDatatype, onlyBytes, toBytes, widthOf } from '../values.js';
import { type Came, jsonOf } from './client.js';
import {
  type InferAnswer,
  type InferBody,
  type RestContext,
  answered,
  binaryBody,
  headerOf,
  holdSame,
  withBytes,
} from './context.js';

type Binary = { head: InferAnswer; blobs: Map<string, Buffer> };

/** Takes an answer apart: the sizes in the JSON must be those of the bytes after it, to the last one. */
function binaryAnswer(came: Came): Binary {
  hold(came.status === 200, `status ${came.status}, expected 200`);
  const header = came.headers['inference-header-content-length'];
  hold(typeof header === 'string' && /^\d+$/.test(header), `Inference-Header-Content-Length is ${String(header)}`);
  const head = jsonOf({ ...came, body: came.body.subarray(0, Number(header)) }) as InferAnswer;
  let rest = came.body.subarray(Number(header));
  const blobs = new Map<string, Buffer>();
  for (const { name, parameters, data } of head.outputs) {
    const size = parameters?.['binary_data_size'];
    if (size === undefined) continue;
    hold(data === undefined, `output ${name} has both "data" and binary_data_size`);
    hold(
      typeof size === 'number' && size <= rest.length,
      `output ${name} says ${JSON.stringify(size)} bytes, ${rest.length} are left`,
    );
    blobs.set(name, rest.subarray(0, size));
    rest = rest.subarray(size);
  }
  hold(rest.length === 0, `${rest.length} bytes follow the last output`);
  return { head, blobs };
}

const allBinary = { parameters: { binary_data_output: true } };

async function plainAnswer(context: RestContext, body: InferBody): Promise<InferAnswer> {
  return answered(await context.post(body));
}

async function postBinary(context: RestContext, { body, length }: { body: Buffer; length: number }): Promise<Came> {
  return context.post(body, headerOf(length));
}

/** The bytes of each output are those of its JSON values. */
function holdBytes({ blobs }: Binary, { outputs }: InferAnswer): void {
  for (const { name, datatype, data, shape } of outputs) {
    const blob = blobs.get(name);
    hold(blob, `output ${name} did not come as bytes`);
    if (!isDatatype(datatype)) continue;
    const width = widthOf(datatype);
    if (width !== undefined) hold(blob.length === width * countOf(shape), `output ${name} has ${blob.length} bytes`);
    // Floats may be rounded in JSON; whatever else must be equal.
    if (!datatype.startsWith('FP'))
      hold(blob.equals(toBytes(datatype, data!.flat(9))), `output ${name} has other bytes than values`);
  }
}

const follows = (datatype: Datatype): Check<RestContext> => ({
  id: `rest.binary.datatype.${datatype}`,
  level: 'MUST',
  clause: `${datatype} comes back bit by bit${onlyBytes[datatype] ? ', with what JSON can not carry' : ''}`,
  run: async (context) => {
    const { input, output, free } = await context.echoOf(datatype);
    const body = context.body(free);
    const at = body.inputs.findIndex(({ name }) => name === input);
    const count = countOf(body.inputs[at]!.shape);
    const special = onlyBytes[datatype];
    const blob = special
      ? Buffer.concat(Array.from({ length: count }, (_, i) => special[i % special.length]!))
      : toBytes(datatype, body.inputs[at]!.data!);
    const { data: _, ...tensor } = body.inputs[at]!;
    const inputs = body.inputs.with(at, { ...tensor, parameters: { binary_data_size: blob.length } });
    const answer = binaryAnswer(await postBinary(context, withBytes({ ...allBinary, inputs }, [blob])));
    const came = answer.blobs.get(output)!;
    hold(came.equals(blob), `sent ${blob.toString('hex')}, got ${came.toString('hex')}`);
  },
});

const good: Check<RestContext>[] = [
  {
    id: 'rest.binary.in',
    level: 'MUST',
    clause: 'inputs as bytes after the JSON give what they give as JSON',
    run: async (context) => {
      const body = context.body();
      holdSame(await plainAnswer(context, body), answered(await postBinary(context, binaryBody(body))), 'JSON, then bytes');
    },
  },
  {
    id: 'rest.binary.out-all',
    level: 'MUST',
    clause: 'binary_data_output asks for all outputs as bytes',
    run: async (context) => {
      const body = context.body();
      holdBytes(binaryAnswer(await context.post({ ...body, ...allBinary })), await plainAnswer(context, body));
    },
  },
  {
    id: 'rest.binary.out-one',
    level: 'MUST',
    clause: 'binary_data asks for one output as bytes, the others come as JSON',
    run: async (context) => {
      const names = context.model.outputs.map(({ name }) => name);
      const outputs = names.map((name, i) => ({ name, parameters: { binary_data: i === 0 } }));
      const { head, blobs } = binaryAnswer(await context.post({ ...context.body(), outputs }));
      hold(blobs.size === 1 && blobs.has(names[0]!), `as bytes came: ${[...blobs.keys()].join(', ')}`);
      hold(
        head.outputs.every(({ name, data }) => blobs.has(name) || data),
        'an output has neither bytes nor data',
      );
    },
  },
  {
    id: 'rest.binary.out-overridden',
    level: 'MUST',
    clause: "an output's binary_data goes before the request's binary_data_output",
    run: async (context) => {
      const outputs = context.model.outputs.map(({ name }) => ({ name, parameters: { binary_data: false } }));
      answered(await context.post({ ...context.body(), ...allBinary, outputs }));
    },
  },
  {
    id: 'rest.binary.both',
    level: 'MUST',
    clause: 'bytes in and bytes out in one exchange',
    run: async (context) => {
      const body = context.body();
      holdBytes(binaryAnswer(await postBinary(context, binaryBody({ ...body, ...allBinary }))), await plainAnswer(context, body));
    },
  },
  {
    id: 'rest.binary.mixed',
    level: 'MUST',
    clause: 'one input may come as bytes and another as JSON',
    run: async (context) => {
      const body = context.body();
      if (body.inputs.length < 2) skip('the model has one input');
      const mixed = binaryBody(body, (index) => index % 2 === 0);
      holdSame(await plainAnswer(context, body), answered(await postBinary(context, mixed)), 'JSON, then mixed');
    },
  },
  {
    id: 'rest.binary.json-only-header',
    level: 'SHOULD',
    clause: 'an Inference-Header-Content-Length that covers a whole JSON body does no harm',
    run: async (context) => {
      const body = Buffer.from(JSON.stringify(context.body()));
      answered(await context.post(body, headerOf(body.length)));
    },
  },
];

type Spoiler = (context: RestContext) => Promise<Came>;
const whole = (context: RestContext) => binaryBody(context.body());

function lyingSize(by: number): Spoiler {
  return (context) => {
    const body = context.body();
    const blobs = body.inputs.map(({ datatype, data }) => toBytes(datatype as Datatype, data!));
    const inputs = body.inputs.map(({ name, shape, datatype }, i) => ({
      name,
      shape,
      datatype,
      parameters: { binary_data_size: blobs[i]!.length + (i === 0 ? by : 0) },
    }));
    return postBinary(context, withBytes({ inputs }, [...blobs, Buffer.alloc(Math.max(0, by))]));
  };
}

const faults: [id: string, fault: string, send: Spoiler][] = [
  [
    'header-too-long',
    'a header length beyond the body',
    async (context) => context.post(whole(context).body, headerOf(whole(context).body.length + 1)),
  ],
  [
    'header-too-short',
    'a header length inside the JSON',
    async (context) => context.post(whole(context).body, headerOf(whole(context).length - 1)),
  ],
  [
    'header-no-number',
    'a header length that is no number',
    async (context) => context.post(whole(context).body, headerOf('many')),
  ],
  ['header-negative', 'a header length below zero', async (context) => context.post(whole(context).body, headerOf('-1'))],
  ['header-missing', 'bytes without a header length', async (context) => context.post(whole(context).body)],
  [
    'bytes-missing',
    'fewer bytes than binary_data_size says',
    async (context) => context.post(whole(context).body.subarray(0, -1), headerOf(whole(context).length)),
  ],
  [
    'bytes-left',
    'bytes after the last tensor',
    async (context) => context.post(Buffer.concat([whole(context).body, Buffer.alloc(3)]), headerOf(whole(context).length)),
  ],
  ['size-over-shape', 'a binary_data_size above what the shape holds', lyingSize(8)],
  ['size-under-shape', 'a binary_data_size below what the shape holds', lyingSize(-1)],
];

const refused: Check<RestContext>[] = faults.map(([id, fault, send]) => ({
  id: `rest.binary.error.${id}`,
  level: 'MUST',
  clause: `${fault} is refused: 4xx with {"error": string}`,
  run: async (context) => {
    const came = await send(context);
    hold(came.status >= 400 && came.status < 500, `status ${came.status}, expected 4xx`);
    hold(typeof (jsonOf(came) as { error?: unknown }).error === 'string', 'the body has no "error"');
  },
}));

/** Only where the server offers the extension: then whole. */
export const binary: Check<RestContext>[] = [...good, ...datatypes.map(follows), ...refused].map((check) => ({
  ...check,
  run: (context) => {
    if (!context.extensions.includes('binary_tensor_data')) skip('the server does not list the extension binary_tensor_data');
    return check.run(context);
  },
}));
