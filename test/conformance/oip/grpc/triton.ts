import { type Check, hold } from '../check.js';
import { type GrpcContext, holdSameOutputs } from './context.js';
import { outputsOf } from './messages.js';

type Config = { name: string; max_batch_size: number; input: ConfigTensor[]; output: ConfigTensor[] };
type ConfigTensor = { name: string; dims: string[] };
type Statistics = { model_stats: { name: string; inference_count: string; execution_count: string; last_inference: string }[] };

async function inferences({ client, model }: GrpcContext): Promise<number> {
  const { model_stats: all } = await client.offered<Statistics>('ModelStatistics', { name: model.name });
  const own = all.find(({ name }) => name === model.name);
  hold(own, `no statistics of ${model.name}`);
  return Number(own.inference_count);
}

/** What Triton's clients and load generators ask for beyond the protocol; each is skipped where it is UNIMPLEMENTED. */
export const triton: Check<GrpcContext>[] = [
  {
    id: 'grpc.triton.repository-index',
    level: 'MAY',
    clause: 'RepositoryIndex lists the model, READY',
    run: async ({ client, model }) => {
      const { models } = await client.offered<{ models: { name: string; state: string }[] }>('RepositoryIndex', {});
      const state = models.find(({ name }) => name === model.name)?.state;
      hold(state === 'READY', `its state is ${state}`);
    },
  },
  {
    id: 'grpc.triton.model-config',
    level: 'MAY',
    clause: 'ModelConfig has the dimensions of the metadata, without the first one where max_batch_size is above zero',
    run: async ({ client, model }) => {
      const { config } = await client.offered<{ config: Config }>('ModelConfig', { name: model.name });
      hold(config.name === model.name, `name "${config.name}"`);
      for (const { name, shape } of [...model.inputs, ...model.outputs]) {
        const dims = [...config.input, ...config.output].find((tensor) => tensor.name === name)?.dims.map(Number);
        const expected = config.max_batch_size > 0 ? shape.slice(1) : shape;
        hold(dims?.join() === expected.join(), `${name} has dims [${dims?.join()}], the metadata says [${shape.join()}]`);
      }
    },
  },
  {
    id: 'grpc.triton.statistics',
    level: 'MAY',
    clause: 'ModelStatistics counts an inference',
    run: async (context) => {
      const before = await inferences(context);
      await context.infer(context.raw());
      const after = await inferences(context);
      hold(after > before, `inference_count was ${before} before and is ${after} after`);
    },
  },
  {
    id: 'grpc.triton.stream',
    level: 'MAY',
    clause: 'ModelStreamInfer answers each request, with its id, as ModelInfer does',
    run: async (context) => {
      const ids = ['first', 'second', 'third'];
      const answers = await context.client.stream(ids.map((id) => ({ ...context.raw(), id })));
      const responses = answers.map(({ infer_response: response, error_message: message }) => {
        hold(!message && response, `an answer is the error "${message}"`);
        return response;
      });
      hold(responses.map(({ id }) => id).join() === ids.join(), `ids ${responses.map(({ id }) => id).join()}`);
      const { read } = await context.infer(context.raw());
      for (const response of responses) holdSameOutputs(read, outputsOf(response), 'alone, then in a stream');
    },
  },
  {
    id: 'grpc.triton.stream-error',
    level: 'MAY',
    clause: 'a refused request in a stream is an error_message that can be told apart, and the stream goes on',
    run: async (context) => {
      const ids = ['first', 'broken', 'third'];
      const requests = ids.map((id) => ({ ...context.raw(), id }));
      requests[1]!.raw_input_contents = [Buffer.alloc(3)];
      const answers = await context.client.stream(requests);
      const refused = answers.filter(({ error_message: message }) => message);
      hold(answers.length === 3 && refused.length === 1, `${answers.length} answers came, ${refused.length} of them refusals`);
      const known = refused[0] === answers[1] || refused[0]!.infer_response?.id === 'broken';
      hold(known, 'the refusal comes neither in the order of the requests nor with the id of its own');
    },
  },
  {
    id: 'grpc.triton.shared-memory-status',
    level: 'MAY',
    clause: 'SystemSharedMemoryStatus answers, be it with nothing',
    run: async ({ client }) => void (await client.offered('SystemSharedMemoryStatus', {})),
  },
];
