import { SlotName, type SlotPipeline } from '@flotilla/protocol';
import type { GatewaySlot } from '../gateway-protocol.js';

type Slots = Readonly<Record<string, SlotPipeline & { listen: { unix?: string | undefined } }>>;
const file = 'agent.yaml';

/** What the gateway has to do by `agent.yaml`, for slots that have a socket to be fed by. */
export const gatewaySlots = (slots: Slots): GatewaySlot[] =>
  Object.entries(slots).flatMap(([name, { listen, source, trigger, pipeline, record }]) => {
    if (listen.unix === undefined) return [];
    const from = {
      ...(source ? { source: file } : {}),
      ...(trigger ? { trigger: file } : {}),
      ...(pipeline ? { pipeline: file } : {}),
    };
    return [{ slot: SlotName.parse(name), socket: listen.unix, source, trigger, pipeline, record, from }];
  });
