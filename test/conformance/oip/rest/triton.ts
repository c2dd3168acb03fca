import { type Check, hold, skip } from '../check.js';
import { jsonOf } from './client.js';
import type { RestContext } from './context.js';

type Config = { name: string; max_batch_size: number; input: ConfigTensor[]; output: ConfigTensor[] };
type ConfigTensor = { name: string; data_type: string; dims: number[] };
type Statistics = { model_stats: { name: string; inference_count: number }[] };

async function read<Body>({ client }: RestContext, path: string): Promise<Body> {
  const came = await client.send({ path });
  hold(came.status === 200, `status ${came.status}, expected 200`);
  return jsonOf(came) as Body;
}

async function inferences(context: RestContext): Promise<number> {
  const { model_stats: all } = await read<Statistics>(context, context.path('/stats'));
  const own = all.find(({ name }) => name === context.model.name);
  hold(own, `no statistics of ${context.model.name}`);
  return own.inference_count;
}

const offered = (extension: string, check: Check<RestContext>): Check<RestContext> => ({
  ...check,
  run: (context) => {
    if (!context.extensions.includes(extension)) skip(`the server does not list the extension ${extension}`);
    return check.run(context);
  },
});

/** The extensions of Triton by which its clients and load generators learn about a model, where the server lists them. */
export const triton: Check<RestContext>[] = [
  {
    // Its extension has loading and unloading as well, which a server may have reasons not to offer.
    id: 'rest.triton.repository-index',
    level: 'MAY',
    clause: 'POST v2/repository/index lists the model, READY',
    run: async ({ client, model }) => {
      const came = await client.send({ method: 'POST', path: '/v2/repository/index', body: {} });
      if (came.status === 404 || came.status === 405) skip('the server has no repository index');
      hold(came.status === 200, `status ${came.status}, expected 200`);
      const state = (jsonOf(came) as { name: string; state: string }[]).find(({ name }) => name === model.name)?.state;
      hold(state === 'READY', `its state is ${state}`);
    },
  },
  offered('model_configuration', {
    id: 'rest.triton.model-config',
    level: 'MUST',
    clause: 'GET …/config has the dimensions of the metadata, without the first one where max_batch_size is above zero',
    run: async (context) => {
      const config = await read<Config>(context, context.path('/config'));
      hold(config.name === context.model.name, `name "${config.name}"`);
      for (const { name, shape } of [...context.model.inputs, ...context.model.outputs]) {
        const dims = [...config.input, ...config.output].find((tensor) => tensor.name === name)?.dims;
        const expected = config.max_batch_size > 0 ? shape.slice(1) : shape;
        hold(
          dims?.map(Number).join() === expected.join(),
          `${name} has dims [${dims?.join()}], the metadata says [${shape.join()}]`,
        );
      }
    },
  }),
  offered('statistics', {
    id: 'rest.triton.statistics',
    level: 'MUST',
    clause: 'GET …/stats counts an inference',
    run: async (context) => {
      const before = await inferences(context);
      await context.infer(context.body());
      const after = await inferences(context);
      hold(after > before, `inference_count was ${before} before and is ${after} after`);
    },
  }),
];
