import type { DeviceId, GroupName } from '@flotilla/protocol';
import { EntitySchema } from 'typeorm';

/** A selector, or a static list of members (then `selector` is null). */
export interface GroupRow {
  name: GroupName;
  selector: string | null;
  createdAt: Date;
}
export const GroupRow = new EntitySchema<GroupRow>({
  name: 'device_group',
  columns: {
    name: { type: 'text', primary: true },
    selector: { type: 'text', nullable: true },
    createdAt: { type: 'timestamptz', name: 'created_at' },
  },
});

export interface GroupMemberRow {
  group: GroupName;
  device: DeviceId;
}
export const GroupMemberRow = new EntitySchema<GroupMemberRow>({
  name: 'group_member',
  columns: { group: { type: 'text', primary: true, name: 'group_name' }, device: { type: 'text', primary: true } },
});
