import type { TensorSignature } from '@flotilla/protocol';
import { compressed } from '../compression.js';
import { RequestError, type Reply, type Route, readBody } from '../http.js';
import type { Inferences } from '../inferences.js';
import { readInputs } from './inputs.js';
import { type EncodedResponse, encodeResponse, wantedOutputs } from './outputs.js';
import { type InferRequest, parseInferRequest } from './request.js';
import { serverMetadata } from './server-metadata.js';

/** The Open Inference Protocol, version 2, over REST, with JSON and binary tensors. A model is known by its slot's name, its version is the release's. */
export function oipRoutes(inferences: Inferences, isReady: () => boolean): Route[] {
  const { manifest, model } = inferences.release;
  const { slot } = inferences.served;
  const server = serverMetadata();
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
    // The protocol's prose has the first path, its OpenAPI document the second.
    { method: 'GET', path: '/v2', handle: () => ({ body: server }) },
    { method: 'GET', path: '/v2/', handle: () => ({ body: server }) },
    { method: 'GET', path: '/v2/health/live', handle: () => ({ body: { live: true } }) },
    { method: 'GET', path: '/v2/health/ready', handle: () => ready({ ready: isReady() }) },
    ...ofModel('', 'GET', () => ({ body: metadata })),
    ...ofModel('/ready', 'GET', () => ready({ name: slot, ready: isReady() })),
    ...ofModel('/infer', 'POST', async (_params, request) => {
      const since = performance.now();
      const { 'inference-header-content-length': headerLength, 'accept-encoding': accepted } = request.headers;
      const asked = parseInferRequest(await readBody(request), headerLength as string | undefined);
      return compressed(await infer(inferences, asked, since), accepted as string | undefined);
    }),
  ];
}

const toOip = ({ name, type, shape }: TensorSignature) => ({ name, datatype: type, shape });

async function infer(inferences: Inferences, request: InferRequest, since: number): Promise<EncodedResponse> {
  const { manifest, model } = inferences.release;
  const wanted = wantedOutputs(request, model.outputs);
  const head = {
    model_name: inferences.served.slot,
    model_version: manifest.version,
    ...(request.id === undefined ? {} : { id: request.id }),
  };
  const inputs = readInputs(request.inputs, model.inputs);
  const answer: { encoded?: EncodedResponse } = {};
  try {
    return await inferences.infer(inputs, (all) => (answer.encoded = encodeResponse(head, wanted, all)), {
      since,
      ...request.submission,
    });
  } catch (error) {
    // Encoded, and failed afterwards: the release's own check found NaN or infinity. That counts, yet who asked for bytes gets them.
    if (answer.encoded && wanted.some(({ binary }) => binary)) return answer.encoded;
    throw error;
  }
}
