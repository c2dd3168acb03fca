import { EntitySchema } from 'typeorm';

/** One row per lease; `term` rises with every new holder and is checked by each write that the leader makes. */
export interface LeaderLeaseRow {
  name: string;
  holder: string;
  term: number;
  expiresAt: Date;
}
export const LeaderLeaseRow = new EntitySchema<LeaderLeaseRow>({
  name: 'leader_lease',
  columns: {
    name: { type: 'text', primary: true },
    holder: { type: 'text' },
    term: { type: 'int' },
    expiresAt: { type: 'timestamptz', name: 'expires_at' },
  },
});
