import type { Calendar, DeviceId, GroupName, SlotName } from '@flotilla/protocol';
import { EntitySchema } from 'typeorm';

/** Windows and blackouts of a group: they hold for its devices, whoever rolls out to them. */
export interface GroupCalendarRow {
  group: GroupName;
  calendar: Calendar;
  updatedAt: Date;
}
export const GroupCalendarRow = new EntitySchema<GroupCalendarRow>({
  name: 'group_calendar',
  columns: {
    group: { type: 'text', primary: true, name: 'group_name' },
    calendar: { type: 'jsonb' },
    updatedAt: { type: 'timestamptz', name: 'updated_at' },
  },
});

/** When a device may begin to run what its slot is assigned. A row of another deployment than the assigned one means nothing. */
export interface ActivationRow {
  device: DeviceId;
  slot: SlotName;
  deployment: string;
  after: Date | null;
  before: Date | null;
  hold: boolean;
}
export const ActivationRow = new EntitySchema<ActivationRow>({
  name: 'activation',
  columns: {
    device: { type: 'text', primary: true },
    slot: { type: 'text', primary: true },
    deployment: { type: 'uuid' },
    after: { type: 'timestamptz', nullable: true },
    before: { type: 'timestamptz', nullable: true },
    hold: { type: 'boolean', default: false },
  },
});
