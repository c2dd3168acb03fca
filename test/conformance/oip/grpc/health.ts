import { status } from '@grpc/grpc-js';
import { type Check, hold, skip } from '../check.js';
import { isDatatype } from '../values.js';
import type { GrpcContext } from './context.js';

type Metadata = {
  name: string;
  versions: string[];
  platform: string;
  inputs: { name: string; datatype: string; shape: string[] }[];
  outputs: object[];
};

const ready = ({ client, model }: GrpcContext, version = '') =>
  client.succeed<{ ready: boolean }>('ModelReady', { name: model.name, version });

export const healthAndMetadata: Check<GrpcContext>[] = [
  {
    id: 'grpc.health.live',
    level: 'MUST',
    clause: 'ServerLive says live',
    run: async ({ client }) => hold((await client.succeed<{ live: boolean }>('ServerLive', {})).live, 'live is false'),
  },
  {
    id: 'grpc.health.ready',
    level: 'MUST',
    clause: 'ServerReady says ready',
    run: async ({ client }) => hold((await client.succeed<{ ready: boolean }>('ServerReady', {})).ready, 'ready is false'),
  },
  {
    id: 'grpc.health.model-ready',
    level: 'MUST',
    clause: 'ModelReady says ready for a loaded model',
    run: async (context) => hold((await ready(context)).ready, 'ready is false'),
  },
  {
    id: 'grpc.health.model-version-ready',
    level: 'MUST',
    clause: 'ModelReady says ready for each listed version',
    run: async (context) => {
      for (const version of context.model.versions)
        hold((await ready(context, version)).ready, `version ${version} is not ready`);
    },
  },
  {
    id: 'grpc.health.unknown-model-not-ready',
    level: 'MUST',
    clause: 'a model that does not exist is not ready',
    run: async ({ client }) => {
      const { response } = await client.call<{ ready: boolean }>('ModelReady', { name: 'no-such-model' });
      hold(!response?.ready, 'ready is true');
    },
  },
  {
    id: 'grpc.health.standard',
    level: 'MAY',
    clause: "gRPC's own health service answers SERVING",
    run: async ({ client }) => {
      const { status: serving } = await client.offered<{ status: string }>('Check', { service: '' });
      hold(serving === 'SERVING', `status ${serving}`);
    },
  },
  {
    id: 'grpc.metadata.server',
    level: 'MUST',
    clause: 'ServerMetadata names the server and its version',
    run: async ({ client }) => {
      const { name, version } = await client.succeed<{ name: string; version: string }>('ServerMetadata', {});
      hold(name && version, `name "${name}", version "${version}"`);
    },
  },
  {
    id: 'grpc.metadata.model',
    level: 'MUST',
    clause: 'ModelMetadata names the model, its platform, inputs and outputs',
    run: async ({ client, model }) => {
      const { name, platform, inputs, outputs } = await client.succeed<Metadata>('ModelMetadata', { name: model.name });
      hold(name === model.name, `name "${name}", asked for "${model.name}"`);
      hold(platform && inputs.length && outputs.length, 'the platform, the inputs or the outputs are missing');
    },
  },
  {
    id: 'grpc.metadata.model-version',
    level: 'MUST',
    clause: 'each version that is listed may be asked for explicitly',
    run: async ({ client, model }) => {
      if (model.versions.length === 0) skip('the model lists no versions');
      for (const version of model.versions) await client.succeed('ModelMetadata', { name: model.name, version });
    },
  },
  {
    id: 'grpc.metadata.tensors',
    level: 'MUST',
    clause: 'datatypes are those of the protocol, a variable-size dimension is -1',
    run: ({ model }) => {
      for (const { name, datatype, shape } of [...model.inputs, ...model.outputs]) {
        hold(isDatatype(datatype) || datatype === 'BF16', `${name} has the datatype ${datatype}`);
        hold(
          shape.every((dimension) => dimension >= -1),
          `${name} has the shape [${shape.join(',')}]`,
        );
      }
    },
  },
  {
    id: 'grpc.metadata.unknown-model',
    level: 'MUST',
    clause: 'metadata of a model that does not exist is an error',
    run: async ({ client }) => {
      const { code } = await client.call('ModelMetadata', { name: 'no-such-model' });
      hold(code !== status.OK, 'the status is OK');
    },
  },
  {
    id: 'grpc.metadata.unknown-model.code',
    level: 'SHOULD',
    clause: 'a model that does not exist is NOT_FOUND',
    run: async ({ client }) => {
      const { code } = await client.call('ModelMetadata', { name: 'no-such-model' });
      hold(code === status.NOT_FOUND, `the status is ${status[code]}`);
    },
  },
];
