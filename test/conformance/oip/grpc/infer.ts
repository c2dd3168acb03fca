import { type Check, type Level, hold, skip } from '../check.js';
import { type Datatype, countOf, datatypes, extremes, onlyBytes, toBytes, widthOf } from '../values.js';
import { type GrpcContext, holdSameOutputs } from './context.js';
import { fieldOf, typed } from './messages.js';

const rawEcho = (datatype: Datatype): Check<GrpcContext> => ({
  id: `grpc.infer.raw.${datatype}`,
  level: 'MUST',
  clause: `${datatype} comes back bit by bit from raw contents`,
  run: async (context) => {
    const { at, output, free } = await context.echoOf(datatype);
    const request = context.raw(free);
    const special = onlyBytes[datatype];
    const count = countOf(request.inputs[at]!.shape);
    if (special)
      request.raw_input_contents[at] = Buffer.concat(Array.from({ length: count }, (_, i) => special[i % special.length]!));
    const { read } = await context.infer(request);
    const came = read.find(({ name }) => name === output)!.bytes;
    const sent = request.raw_input_contents[at]!;
    hold(came.equals(sent), `sent ${sent.toString('hex')}, got ${came.toString('hex')}`);
  },
});

const typedEcho = (datatype: Datatype): Check<GrpcContext> => ({
  id: `grpc.infer.typed.${datatype}`,
  level: 'MUST',
  clause: `${datatype} values in ${fieldOf(datatype)} come back unchanged, to the ends of their range`,
  run: async (context) => {
    const { at, output, free } = await context.echoOf(datatype);
    const request = context.typed(free);
    const values = Array.from(
      { length: countOf(request.inputs[at]!.shape) },
      (_, i) => extremes[datatype][i % extremes[datatype].length],
    );
    request.inputs[at]!.contents = typed(datatype, values);
    const { read } = await context.infer(request);
    const came = read.find(({ name }) => name === output)!.bytes;
    hold(came.equals(toBytes(datatype, values)), `sent ${JSON.stringify(values)}, got the bytes ${came.toString('hex')}`);
  },
});

const returnsId = (id: string, level: Level, clause: string, text: string): Check<GrpcContext> => ({
  id,
  level,
  clause,
  run: async (context) => {
    const { id: came } = await context.infer({ ...context.raw(), id: text });
    hold(came === text, `sent "${text}", got "${came}"`);
  },
});

export const infer: Check<GrpcContext>[] = [
  {
    id: 'grpc.infer.raw',
    level: 'MUST',
    clause: 'a request with raw_input_contents is answered, each output with its shape full of values',
    run: async (context) => {
      const { read } = await context.infer(context.raw());
      for (const { name, datatype, shape, bytes } of read) {
        const width = widthOf(datatype as Datatype);
        const size = width === undefined ? bytes.length : width * countOf(shape);
        hold(bytes.length === size, `output ${name} has ${bytes.length} bytes, its shape [${shape.join(',')}] holds ${size}`);
      }
    },
  },
  {
    id: 'grpc.infer.typed',
    level: 'MUST',
    clause: 'typed contents give what raw contents give',
    run: async (context) => {
      const { read } = await context.infer(context.typed());
      holdSameOutputs((await context.infer(context.raw())).read, read, 'raw, then typed');
    },
  },
  {
    id: 'grpc.infer.signature',
    level: 'MUST',
    clause: 'outputs have the names, datatypes and shapes of the metadata, and none is missing',
    run: async (context) => {
      const { read } = await context.infer(context.raw());
      for (const { name, datatype, shape } of context.model.outputs) {
        const came = read.find((output) => output.name === name);
        hold(came, `output ${name} is missing`);
        hold(came.datatype === datatype, `output ${name} is ${came.datatype}, the metadata says ${datatype}`);
        const fits = came.shape.length === shape.length && shape.every((d, i) => d === -1 || d === came.shape[i]);
        hold(fits, `output ${name} has shape [${came.shape.join(',')}], the metadata says [${shape.join(',')}]`);
      }
    },
  },
  {
    id: 'grpc.infer.model-name',
    level: 'MUST',
    clause: 'model_name is the model that was asked',
    run: async (context) => {
      const { model_name: name } = await context.infer(context.raw());
      hold(name === context.model.name, `model_name "${name}"`);
    },
  },
  returnsId('grpc.infer.id', 'MUST', 'an id is returned in the response', 'conformance-42'),
  returnsId('grpc.infer.id-utf8', 'SHOULD', 'an id may be any text', 'ä 日本 🚢'),
  {
    id: 'grpc.infer.requested-outputs',
    level: 'MUST',
    clause: 'outputs says which outputs are returned',
    run: async (context) => {
      const wanted = context.model.outputs.at(-1) ?? skip('the metadata lists no outputs');
      const { read } = await context.infer({ ...context.raw(), outputs: [{ name: wanted.name }] });
      hold(
        read.length === 1 && read[0]!.name === wanted.name,
        `asked for ${wanted.name}, got ${read.map(({ name }) => name).join(', ')}`,
      );
    },
  },
  {
    id: 'grpc.infer.parameters',
    level: 'SHOULD',
    clause: 'parameters that the server does not know, of each kind, do no harm',
    run: async (context) => {
      const parameters = {
        conformance_flag: { bool_param: true },
        conformance_number: { int64_param: '7' },
        conformance_text: { string_param: 'a' },
      };
      await context.infer({ ...context.raw(), parameters });
    },
  },
  {
    id: 'grpc.infer.free-dimensions',
    level: 'MUST',
    clause: 'a variable-size dimension takes more than one size',
    run: async (context) => {
      if (!context.hasFreeDimension) skip('the model has no variable-size dimension');
      await context.infer(context.raw(2));
    },
  },
  {
    id: 'grpc.infer.version',
    level: 'MUST',
    clause: 'a listed version answers, and says that it did',
    run: async (context) => {
      const version = context.model.versions[0] ?? skip('the model lists no versions');
      const { model_version: came } = await context.infer({ ...context.raw(), model_version: version });
      hold(came === version, `model_version "${came}"`);
    },
  },
  {
    id: 'grpc.infer.at-once',
    level: 'MUST',
    clause: 'calls at once on a connection are answered each with its own',
    run: async (context) => {
      const ids = Array.from({ length: 16 }, (_, i) => `call-${i}`);
      const answers = await Promise.all(ids.map((id) => context.infer({ ...context.raw(), id })));
      hold(
        answers.every(({ id }, i) => id === ids[i]),
        `ids ${answers.map(({ id }) => id).join(', ')}`,
      );
    },
  },
  {
    id: 'grpc.infer.large-message',
    level: 'SHOULD',
    clause: "a message above gRPC's usual 4 MiB is taken where a free dimension lets it be built",
    run: async (context) => {
      const widest = context.model.inputs[0];
      if (!context.hasFreeDimension || !widest || widest.datatype === 'BYTES')
        skip('no large request can be built for this model');
      const one = context.raw().raw_input_contents.reduce((sum, bytes) => sum + bytes.length, 0);
      const rows = Math.ceil((5 * 1024 * 1024) / one);
      if (context.model.inputs.some(({ shape }) => shape.filter((d) => d === -1).length > 1))
        skip('the model has inputs with two free dimensions');
      const { read } = await context.infer(context.raw(rows));
      hold(read.length > 0 && countOf(read[0]!.shape) > 0, 'the answer holds nothing');
    },
  },
  ...datatypes.map(rawEcho),
  ...datatypes.filter(fieldOf).map(typedEcho),
];
