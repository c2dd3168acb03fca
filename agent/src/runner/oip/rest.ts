import { readAligned } from '../body.js';
import { compressed } from '../compression.js';
import type { Reply, Route } from '../http.js';
import type { Inferences } from '../inferences.js';
import { infer } from './infer.js';
import { encodeResponse } from './outputs.js';
import { parseInferRequest } from './request.js';
import { servedModel } from './served-model.js';
import { serverMetadata } from './server-metadata.js';

/** The Open Inference Protocol, version 2, over REST, with JSON and binary tensors. A model is known by its slot's name, its version is the release's. */
export function oipRoutes(inferences: Inferences, isReady: () => boolean): Route[] {
  const model = servedModel(inferences);
  const server = serverMetadata();
  const ready = (body: object): Reply => ({ status: isReady() ? 200 : 503, body });

  const ofModel = (path: string, method: Route['method'], handle: Route['handle']): Route[] =>
    ['/v2/models/:model', '/v2/models/:model/versions/:version'].map((base) => ({
      method,
      path: base + path,
      handle: (params, request) => {
        model.known(params['model']!, params['version']);
        return handle(params, request);
      },
    }));

  return [
    // The protocol's prose has the first path, its OpenAPI document the second.
    { method: 'GET', path: '/v2', handle: () => ({ body: server }) },
    { method: 'GET', path: '/v2/', handle: () => ({ body: server }) },
    { method: 'GET', path: '/v2/health/live', handle: () => ({ body: { live: true } }) },
    { method: 'GET', path: '/v2/health/ready', handle: () => ready({ ready: isReady() }) },
    ...ofModel('', 'GET', () => ({ body: model.metadata })),
    ...ofModel('/ready', 'GET', () => ready({ name: model.name, ready: isReady() })),
    ...ofModel('/infer', 'POST', async (_params, request) => {
      const since = performance.now();
      const headerLength = request.headers['inference-header-content-length'] as string | undefined;
      const asked = parseInferRequest(await readAligned(request, Number(headerLength) || 0), headerLength);
      return compressed(
        await infer(inferences, asked, since, encodeResponse),
        request.headers['accept-encoding'] as string | undefined,
      );
    }),
  ];
}
