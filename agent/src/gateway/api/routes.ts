import type { Route } from '../../http/http.js';
import { RequestError } from '../../http/http.js';
import type { Gateway } from '../gateway.js';
import type { SlotGateway } from '../slot-gateway.js';
import { configurationView, slotView } from './views.js';
import { inspectionRoutes } from './inspection-routes.js';
import { metrics } from './metrics.js';
import type { OutputViews } from './schemas.js';
import { pictureOf } from './picture.js';
import { push } from './push-route.js';

/** Reads a slot's name from the path. Throws 404 for one that the gateway has nothing to do with. */
export type OfSlot = (
  method: Route['method'],
  path: string,
  handle: (slot: SlotGateway, ...rest: Parameters<Route['handle']>) => ReturnType<Route['handle']>,
) => Route;

/** What the gateway answers to: the state of sources and results, commands of a trigger, and inputs that are pushed. */
export function gatewayRoutes(gateway: Gateway): Route[] {
  const ofSlot: OfSlot = (method, path, handle) => ({
    method,
    path: `/v1/slots/:slot${path}`,
    handle: (params, request) => handle(slotNamed(gateway, params['slot']!), params, request),
  });
  return [
    { method: 'GET', path: '/healthz', handle: () => ({ body: { status: 'ok' } }) },
    { method: 'GET', path: '/metrics', handle: () => metrics(gateway) },
    {
      method: 'GET',
      path: '/openapi.json',
      // Made when it is first asked for: it takes schemas that nothing else in a gateway loads.
      handle: async () => ({ body: (await import('../openapi/document.js')).gatewayOpenApi() }),
    },
    { method: 'GET', path: '/v1/slots', handle: () => ({ body: { slots: [...gateway.slots.values()].map(slotView) } }) },
    {
      method: 'GET',
      path: '/v1/configuration',
      handle: () => ({ body: { slots: [...gateway.slots.values()].map(({ config }) => configurationView(config)) } }),
    },
    { method: 'GET', path: '/v1/outputs', handle: () => ({ body: { outputs: gateway.outputs } satisfies OutputViews }) },
    ofSlot('GET', '', (slot) => ({ body: slotView(slot) })),
    ofSlot('GET', '/result', ({ latest, config }) => {
      if (!latest) throw new RequestError(404, `${config.slot} has no result yet`);
      return { body: latest };
    }),
    { ...ofSlot('GET', '/results/stream', ({ streams }) => streams.admit()), head: false },
    ofSlot('GET', '/picture', ({ results, config }) => pictureOf(results.seen, config.slot)),
    ofSlot('POST', '/push', (slot, _params, request) => push(slot, request)),
    ...inspectionRoutes(ofSlot),
  ];
}

function slotNamed({ slots }: Gateway, name: string): SlotGateway {
  const slot = slots.get(name);
  if (slot) return slot;
  throw new RequestError(404, `the gateway has no slot "${name}"; it has: ${[...slots.keys()].join(', ') || 'none'}`);
}
