import { EntitySchema } from 'typeorm';

/** Append-only: who or what did what, when. `data` is for programs, `message` for people. */
export interface EventRow {
  id: number;
  at: Date;
  kind: string;
  actor: string;
  device: string | null;
  rollout: string | null;
  message: string;
  data: Record<string, unknown>;
}
export const EventRow = new EntitySchema<EventRow>({
  name: 'event',
  columns: {
    id: { type: 'int', primary: true, generated: 'increment' },
    at: { type: 'timestamptz' },
    kind: { type: 'text' },
    actor: { type: 'text' },
    device: { type: 'text', nullable: true },
    rollout: { type: 'uuid', nullable: true },
    message: { type: 'text' },
    data: { type: 'jsonb' },
  },
  indices: [
    { name: 'event_device', columns: ['device', 'id'] },
    { name: 'event_rollout', columns: ['rollout', 'id'] },
    { name: 'event_at', columns: ['at'] },
  ],
});
