import { readAligned } from '../http/body.js';
import { askerOf } from '../http/asker.js';
import { compressed } from '../../http/compression.js';
import type { Reply, Route } from '../../http/http.js';
import type { Inferences } from '../inferences.js';
import type { Monitor } from '../monitor/monitor.js';
import { isOnThisDevice } from '../http/nearness.js';
import { infer } from './infer.js';
import { encodeResponse } from './outputs.js';
import { parseInferRequest } from './request.js';
import { servedModel } from './served-model.js';
import { serverMetadata } from './server-metadata.js';
import { type OfModel, tritonRoutes } from './triton-routes.js';

type Parts = {
  inferences: Inferences;
  monitor: Monitor;
  isReady: () => boolean;
  /** Whether a client is on this device. */
  isNear?: typeof isOnThisDevice | undefined;
};

/** The Open Inference Protocol, version 2, over REST, with JSON and binary tensors. A model is known by its slot's name, its version is the release's. */
export function oipRoutes({ inferences, monitor, isReady, isNear = isOnThisDevice }: Parts): Route[] {
  const model = servedModel(inferences);
  const server = serverMetadata();
  const ready = (body: object): Reply => ({ status: isReady() ? 200 : 503, body });

  const ofModel: OfModel = (path, method, handle) =>
    ['/v2/models/:model', '/v2/models/:model/versions/:version'].map((base) => ({
      method,
      path: base + path,
      handle: (params, request) => {
        model.known(params['model']!, params['version']);
        return handle(params, request);
      },
    }));

  return [
    { method: 'GET', path: '/v2', handle: () => ({ body: server }) },
    { method: 'GET', path: '/v2/health/live', handle: () => ({ body: { live: true } }) },
    { method: 'GET', path: '/v2/health/ready', handle: () => ready({ ready: isReady() }) },
    // Before the models' own paths: /v2/models/stats is no model's.
    ...tritonRoutes({ model, monitor, isReady, ofModel }),
    ...ofModel('', 'GET', () => ({ body: model.metadata })),
    ...ofModel('/ready', 'GET', () => ready({ name: model.name, ready: isReady() })),
    ...ofModel('/infer', 'POST', async (_params, request) => {
      const since = performance.now();
      const { 'inference-header-content-length': headerLength, 'accept-encoding': accepted } = request.headers;
      const body = await readAligned(request, Number(headerLength) || 0);
      const asked = parseInferRequest(body, headerLength as string | undefined);
      const answer = await infer(inferences, asked, { since, asker: askerOf(request) }, encodeResponse);
      // On the device there is no wire to spare, and most clients name gzip unasked.
      return isNear(request.socket) ? answer : compressed(answer, accepted as string | undefined);
    }),
  ];
}
