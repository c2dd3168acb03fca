import { type Check, hold, skip } from '../check.js';
import { isDatatype } from '../values.js';
import { type Came, jsonOf } from './client.js';
import { type RestContext, withoutNulls } from './context.js';
import { conforms } from './schema.js';

const platforms = [
  'tensorrt_plan',
  'tensorflow_graphdef',
  'tensorflow_savedmodel',
  'onnx_onnxv1',
  'pytorch_torchscript',
  'mxnet_mxnet',
  'caffe2_netdef',
];

async function metadata(
  { client, path }: { client: RestContext['client']; path: string },
  schema: string,
  read = whole,
): Promise<unknown> {
  const came: Came = await client.send({ path });
  hold(came.status === 200, `status ${came.status}, expected 200`);
  return read(jsonOf(came), schema);
}

function whole(body: unknown, schema: string): unknown {
  conforms(schema, body);
  return body;
}

/** As `whole`, but for a null where a member is optional: that is one check's business. */
const tolerant = (body: unknown, schema: string) => whole(withoutNulls(body), schema);

const ofModel = (context: RestContext, version?: string) =>
  metadata({ client: context.client, path: context.path('', version) }, 'metadata_model_response', tolerant) as Promise<
    Partial<RestContext['model']> & { platform: string }
  >;

export const metadataChecks: Check<RestContext>[] = [
  {
    id: 'rest.metadata.server',
    level: 'MUST',
    clause: 'GET v2 answers a metadata_server_response',
    run: async ({ client }) => void (await metadata({ client, path: '/v2' }, 'metadata_server_response')),
  },
  {
    id: 'rest.metadata.server-slash',
    level: 'SHOULD',
    clause: 'the path of the OpenAPI document, v2/, answers the same',
    run: async ({ client }) => void (await metadata({ client, path: '/v2/' }, 'metadata_server_response')),
  },
  {
    id: 'rest.metadata.content-type',
    level: 'SHOULD',
    clause: 'JSON comes as application/json',
    run: async ({ client }) => {
      const { headers } = await client.send({ path: '/v2' });
      const type = String(headers['content-type']);
      hold(type.startsWith('application/json'), `content-type ${type}`);
    },
  },
  {
    id: 'rest.metadata.model',
    level: 'MUST',
    clause: 'GET v2/models/{model} answers a metadata_model_response',
    run: async (context) => void (await metadata({ client: context.client, path: context.path() }, 'metadata_model_response')),
  },
  {
    id: 'rest.metadata.model-name',
    level: 'MUST',
    clause: '"name" is the name of the model',
    run: async (context) => {
      const { name } = await ofModel(context);
      hold(name === context.model.name, `name "${name}", asked for "${context.model.name}"`);
    },
  },
  {
    id: 'rest.metadata.model-version',
    level: 'MUST',
    clause: 'each version that is listed may be asked for explicitly',
    run: async (context) => {
      if (context.model.versions.length === 0) skip('the model lists no versions');
      for (const version of context.model.versions) await ofModel(context, version);
    },
  },
  {
    id: 'rest.metadata.tensors',
    level: 'MUST',
    clause: 'the metadata lists the inputs and outputs of the model',
    run: async (context) => {
      const { inputs, outputs } = await ofModel(context);
      hold(inputs?.length && outputs?.length, 'no inputs or no outputs are listed');
    },
  },
  {
    id: 'rest.metadata.datatypes',
    level: 'MUST',
    clause: 'each datatype is one of the tensor data types',
    run: (context) => {
      const strange = [...context.model.inputs, ...context.model.outputs].find(({ datatype }) => !isDatatype(datatype));
      hold(!strange || strange.datatype === 'BF16', `${strange?.name} has the datatype ${strange?.datatype}`);
    },
  },
  {
    id: 'rest.metadata.shapes',
    level: 'MUST',
    clause: 'a variable-size dimension is -1, any other a size',
    run: (context) => {
      const strange = [...context.model.inputs, ...context.model.outputs].find(({ shape }) => shape.some((d) => d < -1));
      hold(!strange, `${strange?.name} has the shape [${strange?.shape.join(',')}]`);
    },
  },
  {
    id: 'rest.metadata.platform',
    level: 'SHOULD',
    clause: '"platform" is one of the names that the protocol allows',
    run: async (context) => {
      const { platform } = await ofModel(context);
      hold(platforms.includes(platform), `platform "${platform}"`);
    },
  },
];
