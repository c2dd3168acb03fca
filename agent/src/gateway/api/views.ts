import type { GatewaySlot } from '../../gateway-protocol.js';
import { handshakeView } from '../inspection-view.js';
import type { SlotGateway } from '../slot-gateway.js';
import type { SlotConfiguration, SlotView } from './schemas.js';

/** What is shown of one slot. */
export function slotView({ config, lane, latest, inspections }: SlotGateway): SlotView {
  return {
    slot: config.slot,
    source: config.source ? { kind: kindOf(config.source), ...lane.source } : undefined,
    trigger: inspections && handshakeView(inspections.handshake),
    frames: lane.counts,
    trouble: lane.trouble || undefined,
    latest: latest && { sequence: latest.sequence, quality: latest.quality, latencyMs: latest.latencyMs },
  };
}

/** What is in force, and where each part came from. */
export const configurationView = ({
  slot,
  source,
  trigger,
  pipeline,
  record,
  outputs,
  from,
}: GatewaySlot): SlotConfiguration => ({
  slot,
  source: source && { ...source, from: from.source },
  trigger: trigger && { ...trigger, from: from.trigger },
  pipeline: pipeline && { ...pipeline, from: from.pipeline },
  record: record && { ...record, from: from.record },
  outputs: outputs && { ...outputs, from: from.outputs },
});

/** The key that a source is known by. */
const kindOf = (source: object): string => Object.keys(source)[0] ?? 'none';
