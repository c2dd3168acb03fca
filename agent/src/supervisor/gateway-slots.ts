import { SlotName } from '@flotilla/protocol/device';
import type { AgentConfig } from '../config.js';
import type { Device, Effective } from '../core/gateway-configuration.js';
import type { GatewaySlot } from '../gateway-protocol.js';
import { localPipelines } from './gateway-configuration.js';
import { judgeBy } from './remote-rules.js';

type Slots = Readonly<Record<string, { listen: { unix?: string | undefined } }>>;

/** What the gateway has to do, for slots that have a socket to be fed by. */
export const gatewaySlots = (slots: Slots, { slots: effective }: Pick<Effective, 'slots'>): GatewaySlot[] =>
  Object.entries(slots).flatMap(([name, { listen }]) => {
    if (listen.unix === undefined) return [];
    return [{ slot: SlotName.parse(name), socket: listen.unix, from: {}, ...effective[name] }];
  });

export const deviceOf = (config: AgentConfig): Device => ({
  accept: config.remoteConfiguration.accept,
  slots: localPipelines(config.slots),
  judge: judgeBy(config),
});

export const acceptedFile = 'gateway-configuration.json';
