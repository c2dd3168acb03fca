import { RequestError, type Route } from '../../http/http.js';
import type { Gateway } from '../gateway.js';
import type { SlotGateway } from '../slot-gateway.js';

/** A route below a slot's own path; 404 for a slot that the gateway has nothing to do with. */
export type OfSlot = (
  method: Route['method'],
  path: string,
  handle: (slot: SlotGateway, ...rest: Parameters<Route['handle']>) => ReturnType<Route['handle']>,
) => Route;

export const ofSlotIn =
  (gateway: Gateway): OfSlot =>
  (method, path, handle) => ({
    method,
    path: `/v1/slots/:slot${path}`,
    handle: (params, request) => handle(slotNamed(gateway, params['slot']!), params, request),
  });

function slotNamed({ slots }: Gateway, name: string): SlotGateway {
  const slot = slots.get(name);
  if (slot) return slot;
  throw new RequestError(404, `the gateway has no slot "${name}"; it has: ${[...slots.keys()].join(', ') || 'none'}`);
}
