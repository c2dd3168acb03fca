import { type Check, hold, skip } from '../check.js';
import { type Datatype, alike, countOf, datatypes, extremes, nested } from '../values.js';
import { jsonOf } from './client.js';
import { type InferAnswer, type RestContext, answered, holdSame } from './context.js';
import { conforms } from './schema.js';

function holdSignature(context: RestContext, { outputs }: InferAnswer): void {
  for (const { name, datatype, shape } of outputs) {
    const expected = context.model.outputs.find((output) => output.name === name);
    hold(expected, `output ${name} is not in the model's metadata`);
    hold(datatype === expected.datatype, `output ${name} is ${datatype}, the metadata says ${expected.datatype}`);
    const fits = shape.length === expected.shape.length && expected.shape.every((d, i) => d === -1 || d === shape[i]);
    hold(fits, `output ${name} has shape [${shape.join(',')}], the metadata says [${expected.shape.join(',')}]`);
  }
}

const echoed = (datatype: Datatype): Check<RestContext> => ({
  id: `rest.infer.datatype.${datatype}`,
  level: 'MUST',
  clause: `${datatype} values go in and come out as JSON unchanged, to the ends of their range`,
  run: async (context) => {
    const { input, output, free } = await context.echoOf(datatype);
    const body = context.body(free);
    const tensor = body.inputs.find(({ name }) => name === input)!;
    tensor.data = Array.from({ length: countOf(tensor.shape) }, (_, i) => extremes[datatype][i % extremes[datatype].length]);
    const { outputs } = await context.infer(body);
    const { data } = outputs.find(({ name }) => name === output)!;
    const came = data!.flat(9);
    hold(alike(tensor.data, came), `sent ${JSON.stringify(tensor.data)}, got ${JSON.stringify(came)}`);
  },
});

export const infer: Check<RestContext>[] = [
  {
    id: 'rest.infer.json',
    level: 'MUST',
    clause: 'a valid request is answered 200 with an inference_response whose tensors fill their shapes',
    run: async (context) => {
      const came = await context.post(context.body());
      hold(came.status === 200, `status ${came.status}, expected 200`);
      conforms('inference_response', jsonOf(came));
      answered(came);
    },
  },
  {
    id: 'rest.infer.model-name',
    level: 'MUST',
    clause: '"model_name" is the model that was asked',
    run: async (context) => {
      const { model_name: name } = await context.infer(context.body());
      hold(name === context.model.name, `model_name "${name}"`);
    },
  },
  {
    id: 'rest.infer.signature',
    level: 'MUST',
    clause: 'outputs have the datatypes and shapes of the metadata',
    run: async (context) => holdSignature(context, await context.infer(context.body())),
  },
  {
    id: 'rest.infer.all-outputs',
    level: 'MUST',
    clause: 'without "outputs" all outputs are returned',
    run: async (context) => {
      const { outputs } = await context.infer(context.body());
      const missing = context.model.outputs.find(({ name }) => !outputs.some((output) => output.name === name));
      hold(!missing, `output ${missing?.name} is missing`);
    },
  },
  {
    id: 'rest.infer.requested-outputs',
    level: 'MUST',
    clause: '"outputs" says which outputs are returned',
    run: async (context) => {
      const wanted = context.model.outputs.at(-1) ?? skip('the metadata lists no outputs');
      const { outputs } = await context.infer({ ...context.body(), outputs: [{ name: wanted.name }] });
      const names = outputs.map(({ name }) => name).join(', ');
      hold(names === wanted.name, `asked for ${wanted.name}, got ${names}`);
    },
  },
  {
    id: 'rest.infer.id',
    level: 'MUST',
    clause: 'an "id" is returned in the response',
    run: async (context) => {
      const { id } = await context.infer({ ...context.body(), id: 'conformance-42 ä' });
      hold(id === 'conformance-42 ä', `id ${JSON.stringify(id)}`);
    },
  },
  {
    id: 'rest.infer.nested',
    level: 'MUST',
    clause: 'data may come in its natural, nested form: the same tensor in row-major order',
    run: async (context) => {
      const body = context.body(2);
      if (body.inputs.every(({ shape }) => shape.length < 2)) skip('no input has two dimensions');
      const natural = { inputs: body.inputs.map((tensor) => ({ ...tensor, data: nested(tensor.data!, tensor.shape) })) };
      holdSame(await context.infer(body), await context.infer(natural), 'flat, then nested');
    },
  },
  {
    id: 'rest.infer.input-order',
    level: 'SHOULD',
    clause: 'inputs are known by their names, not by their order',
    run: async (context) => {
      const body = context.body();
      if (body.inputs.length < 2) skip('the model has one input');
      holdSame(await context.infer(body), await context.infer({ inputs: body.inputs.toReversed() }), 'in order, then reversed');
    },
  },
  {
    id: 'rest.infer.parameters',
    level: 'SHOULD',
    clause: 'parameters that the server does not know, of each kind, do no harm',
    run: async (context) => {
      const parameters = { conformance_text: 'a', conformance_number: 1.5, conformance_flag: true };
      const body = context.body();
      const { outputs } = context.model;
      const decorated = {
        parameters,
        inputs: body.inputs.map((tensor) => ({ ...tensor, parameters })),
        outputs: outputs.map(({ name }) => ({ name, parameters })),
      };
      holdSame(await context.infer(body), await context.infer(decorated), 'without parameters, then with them');
    },
  },
  {
    id: 'rest.infer.free-dimensions',
    level: 'MUST',
    clause: 'a variable-size dimension takes more than one size',
    run: async (context) => {
      if (!context.hasFreeDimension) skip('the model has no variable-size dimension');
      holdSignature(context, await context.infer(context.body(2)));
    },
  },
  {
    id: 'rest.infer.version',
    level: 'MUST',
    clause: 'a listed version answers, and says that it did',
    run: async (context) => {
      const version = context.model.versions[0] ?? skip('the model lists no versions');
      const answer = await context.infer(context.body(), {}, version);
      hold(answer.model_version === undefined || answer.model_version === version, `model_version "${answer.model_version}"`);
    },
  },
  ...datatypes.map(echoed),
];
