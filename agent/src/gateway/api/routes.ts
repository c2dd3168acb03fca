import { RequestError, type Route } from '../../http/http.js';
import type { Gateway } from '../gateway.js';
import { configurationView, slotView } from './views.js';
import { inspectionRoutes } from './inspection-routes.js';
import { metrics } from './metrics.js';
import { ofSlotIn } from './of-slot.js';
import type { OutputViews } from './schemas.js';
import { pictureOf } from './picture.js';
import { push } from './push-route.js';

/** What the gateway answers to: the state of sources and results, commands of a trigger, and inputs that are pushed. */
export function gatewayRoutes(gateway: Gateway): Route[] {
  const ofSlot = ofSlotIn(gateway);
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
