import { EntitySchema } from 'typeorm';

/** A request that must not be done twice. Neither its key nor its answer can be read here: the one is hashed, the other sealed. */
export interface IdempotentRequestRow {
  id: string;
  requestHash: string;
  /** `unknown`: it failed midway, or the control plane stopped in it. */
  state: 'running' | 'done' | 'unknown';
  status: number | null;
  answer: Buffer | null;
  createdAt: Date;
}
export const IdempotentRequestRow = new EntitySchema<IdempotentRequestRow>({
  name: 'idempotent_request',
  columns: {
    id: { type: 'text', primary: true },
    requestHash: { type: 'text', name: 'request_hash' },
    state: { type: 'text' },
    status: { type: 'int', nullable: true },
    answer: { type: 'bytea', nullable: true },
    createdAt: { type: 'timestamptz', name: 'created_at' },
  },
  indices: [{ name: 'idempotent_request_created_at', columns: ['createdAt'] }],
});
