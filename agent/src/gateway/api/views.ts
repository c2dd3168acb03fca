import type { Handshake } from '../../core/inspection.js';
import type { GatewaySlot } from '../../gateway-protocol.js';
import type { Inspection } from '../inspections.js';
import type { SlotGateway } from '../slot-gateway.js';
import type { InspectionView, SlotConfiguration, SlotView } from './schemas.js';

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

/** Until when it lasts is the device's own business. */
const handshakeView = (handshake: Handshake): SlotView['trigger'] => {
  const { state, sequence } = handshake;
  const id = state === 'ready' ? undefined : handshake.id;
  return { state, sequence, id, reason: state === 'error' ? handshake.reason : undefined };
};

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

export const inspectionView = ({ capturedAt, result, ...inspection }: Inspection): InspectionView => ({
  ...inspection,
  capturedAt: capturedAt === undefined ? undefined : new Date(capturedAt).toISOString(),
  prediction: result?.prediction,
});

/** The key that a source is known by. */
export const kindOf = (source: object): string => Object.keys(source)[0] ?? 'none';
