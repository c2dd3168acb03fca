import type { DeviceId } from '@flotilla/protocol';
import { EntitySchema } from 'typeorm';

/** Written in the transaction that decided it, done afterwards by any replica; doing it twice is harmless. */
export type OutboxEffect =
  | { type: 'send-desired'; device: DeviceId }
  | { type: 'drop-session'; device: DeviceId }
  /** What is connected under the name is sent away, and may come again: another board has the name, or it waits to be told something. */
  | { type: 'renew-session'; device: DeviceId };
export interface OutboxRow {
  id: number;
  effect: OutboxEffect;
  /** Lower comes first: what a kill sends waits behind nothing. */
  priority: number;
  createdAt: Date;
}
export const OutboxRow = new EntitySchema<OutboxRow>({
  name: 'outbox',
  columns: {
    id: { type: 'int', primary: true, generated: 'increment' },
    effect: { type: 'jsonb' },
    priority: { type: 'int', default: 1 },
    createdAt: { type: 'timestamptz', name: 'created_at', default: () => 'now()' },
  },
  indices: [{ name: 'outbox_order', columns: ['priority', 'id'] }],
});
