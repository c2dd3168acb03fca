import type { DeviceId, SlotName } from '@flotilla/protocol';
import { EntitySchema } from 'typeorm';

/** A slot that keeps a release, whatever rollouts and manual assignments want. */
export interface PinRow {
  device: DeviceId;
  slot: SlotName;
  digest: string;
  reason: string;
  actor: string;
  at: Date;
}
export const PinRow = new EntitySchema<PinRow>({
  name: 'pin',
  columns: {
    device: { type: 'text', primary: true },
    slot: { type: 'text', primary: true },
    digest: { type: 'text' },
    reason: { type: 'text' },
    actor: { type: 'text' },
    at: { type: 'timestamptz' },
  },
});
