import type { OperatorRole } from '@flotilla/protocol';
import { EntitySchema } from 'typeorm';

/** Somebody who may use the operator API beside the admin. Only the token's sha256 is kept. */
export interface OperatorTokenRow {
  name: string;
  role: OperatorRole;
  tokenHash: string;
  createdAt: Date;
}
export const OperatorTokenRow = new EntitySchema<OperatorTokenRow>({
  name: 'operator_token',
  columns: {
    name: { type: 'text', primary: true },
    role: { type: 'text' },
    tokenHash: { type: 'text', name: 'token_hash', unique: true },
    createdAt: { type: 'timestamptz', name: 'created_at' },
  },
});
