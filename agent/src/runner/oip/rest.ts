import type { TensorSignature } from '@flotilla/protocol';
import { z } from 'zod';
import { RequestError, type Reply, type Route, readBody } from '../http.js';
import type { Inferences } from '../inferences.js';
import { type Tensor, describeTensor } from '../tensor.js';
import { tensorFromJson, tensorToJson } from './tensor-json.js';

const parameters = z.record(z.string(), z.unknown()).optional();
const InferRequest = z.object({
  id: z.string().max(1024).optional(),
  parameters,
  inputs: z.array(
    z.object({
      name: z.string(),
      datatype: z.string(),
      shape: z.array(z.int().min(0)).max(8),
      parameters,
      data: z.unknown().optional(),
    }),
  ),
  outputs: z.array(z.object({ name: z.string(), parameters })).optional(),
});
type InferRequest = z.infer<typeof InferRequest>;

const server = { name: 'flotilla', version: '0.1.0', extensions: [] };

/** The Open Inference Protocol, version 2, over REST with JSON tensors. A model is known by its slot's name, its version is the release's. */
export function oipRoutes(inferences: Inferences, isReady: () => boolean): Route[] {
  const { manifest, model } = inferences.release;
  const { slot } = inferences.served;
  const ready = (body: object): Reply => ({ status: isReady() ? 200 : 503, body });
  const metadata = {
    name: slot,
    versions: [manifest.version],
    platform: 'onnx_onnxv1',
    inputs: model.inputs.map(toOip),
    outputs: model.outputs.map(toOip),
  };

  function known({ model: name, version }: Readonly<Record<string, string>>): void {
    if (name !== slot) throw new RequestError(404, `there is no model "${name}" here; this slot is "${slot}"`);
    if (version !== undefined && version !== manifest.version)
      throw new RequestError(404, `version "${version}" does not run here; ${slot} runs ${manifest.model} ${manifest.version}`);
  }

  const ofModel = (path: string, method: Route['method'], handle: Route['handle']): Route[] =>
    ['/v2/models/:model', '/v2/models/:model/versions/:version'].map((base) => ({
      method,
      path: base + path,
      handle: (params, request) => {
        known(params);
        return handle(params, request);
      },
    }));

  return [
    { method: 'GET', path: '/v2', handle: () => ({ body: server }) },
    { method: 'GET', path: '/v2/health/live', handle: () => ({ body: { live: true } }) },
    { method: 'GET', path: '/v2/health/ready', handle: () => ready({ ready: isReady() }) },
    ...ofModel('', 'GET', () => ({ body: metadata })),
    ...ofModel('/ready', 'GET', () => ready({ name: slot, ready: isReady() })),
    ...ofModel('/infer', 'POST', async (_params, request) => {
      const since = performance.now();
      if (request.headers['inference-header-content-length'])
        throw new RequestError(400, 'binary tensors are not offered; send the data as JSON');
      return { body: await infer(inferences, parseRequest(await readBody(request)), since) };
    }),
  ];
}

const toOip = ({ name, type, shape }: TensorSignature) => ({ name, datatype: type, shape });

function parseRequest(body: Buffer): InferRequest {
  let json: unknown;
  try {
    json = JSON.parse(body.toString('utf8'));
  } catch (error) {
    throw new RequestError(400, `the body is no JSON: ${(error as Error).message}`);
  }
  const request = InferRequest.safeParse(json);
  if (request.success) return request.data;
  throw new RequestError(
    400,
    request.error.issues.map(({ path, message }) => `${path.join('.') || 'the body'}: ${message}`).join('; '),
  );
}

async function infer(inferences: Inferences, request: InferRequest, since: number): Promise<object> {
  const { manifest, model } = inferences.release;
  const wanted = wantedOutputs(request, model.outputs);
  const outputs = await inferences.infer(readInputs(request, model.inputs), (all) => pick(all, wanted).map(tensorToJson), since);
  const named = { model_name: inferences.served.slot, model_version: manifest.version };
  return request.id === undefined ? { ...named, outputs } : { ...named, id: request.id, outputs };
}

function readInputs({ inputs }: InferRequest, expected: readonly TensorSignature[]): Tensor[] {
  const takes = `the model takes ${expected.map(describeTensor).join(', ')}`;
  const repeated = inputs.find(({ name }, i) => inputs.findIndex((other) => other.name === name) !== i);
  if (repeated) throw new RequestError(400, `input "${repeated.name}" came twice`);
  const unknown = inputs.find(({ name }) => !expected.some((signature) => signature.name === name));
  if (unknown) throw new RequestError(400, `there is no input "${unknown.name}"; ${takes}`);
  return expected.map((signature) => {
    const input = inputs.find(({ name }) => name === signature.name);
    if (!input) throw new RequestError(400, `input "${signature.name}" is missing; ${takes}`);
    return tensorFromJson(input, signature);
  });
}

function wantedOutputs({ outputs }: InferRequest, existing: readonly TensorSignature[]): readonly string[] {
  if (!outputs || outputs.length === 0) return existing.map(({ name }) => name);
  const unknown = outputs.find(({ name }) => !existing.some((signature) => signature.name === name));
  if (unknown)
    throw new RequestError(
      400,
      `there is no output "${unknown.name}"; the model gives ${existing.map(describeTensor).join(', ')}`,
    );
  return outputs.map(({ name }) => name);
}

const pick = (outputs: readonly Tensor[], names: readonly string[]) =>
  names.flatMap((name) => outputs.filter((output) => output.name === name));
