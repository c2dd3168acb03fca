import { EntitySchema } from 'typeorm';

/** A key that was shut out for good: whatever token it shows, it does not come back. */
export interface TombstoneRow {
  keyThumbprint: string;
  device: string;
  at: Date;
}
export const TombstoneRow = new EntitySchema<TombstoneRow>({
  name: 'device_tombstone',
  columns: {
    keyThumbprint: { type: 'text', primary: true, name: 'key_thumbprint' },
    device: { type: 'text' },
    at: { type: 'timestamptz' },
  },
});
