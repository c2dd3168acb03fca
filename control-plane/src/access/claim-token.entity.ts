import { EntitySchema } from 'typeorm';

/** One-time permission to enrol a device. Only the secret's sha256 is kept. */
export interface ClaimTokenRow {
  id: string;
  secretHash: string;
  name: string | null;
  /** Lets another board take the place of the device `name`. */
  replace: boolean;
  /** Whoever enrols with it waits until somebody approves it. */
  approval: boolean;
  labels: Record<string, string>;
  createdAt: Date;
  expiresAt: Date;
  usedAt: Date | null;
  /** The key that used it: the same one may come again for 24 h. */
  keyThumbprint: string | null;
  device: string | null;
}
export const ClaimTokenRow = new EntitySchema<ClaimTokenRow>({
  name: 'claim_token',
  columns: {
    id: { type: 'uuid', primary: true },
    secretHash: { type: 'text', name: 'secret_hash', unique: true },
    name: { type: 'text', nullable: true },
    replace: { type: 'boolean', default: false },
    approval: { type: 'boolean', default: false },
    labels: { type: 'jsonb' },
    createdAt: { type: 'timestamptz', name: 'created_at' },
    expiresAt: { type: 'timestamptz', name: 'expires_at' },
    usedAt: { type: 'timestamptz', name: 'used_at', nullable: true },
    keyThumbprint: { type: 'text', name: 'key_thumbprint', nullable: true },
    device: { type: 'text', nullable: true },
  },
});
