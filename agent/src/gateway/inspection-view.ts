import type { Handshake } from '../core/inspection.js';
import type { InspectionView, SlotView } from './api/schemas.js';
import type { Inspection } from './inspections.js';

/** What a trigger shows of itself, by HTTP and over a broker. Until when a state lasts is the device's own business. */
export const handshakeView = (handshake: Handshake): NonNullable<SlotView['trigger']> => {
  const { state, sequence } = handshake;
  const id = state === 'ready' ? undefined : handshake.id;
  return { state, sequence, id, reason: state === 'error' ? handshake.reason : undefined };
};

export const inspectionView = ({ capturedAt, result, ...inspection }: Inspection): InspectionView => ({
  ...inspection,
  capturedAt: capturedAt === undefined ? undefined : new Date(capturedAt).toISOString(),
  prediction: result?.prediction,
});
