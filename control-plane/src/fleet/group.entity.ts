import type { DeviceId, GroupName } from '@flotilla/protocol';
import { EntitySchema } from 'typeorm';

/** A selector, or a static list of members (then `selector` is null). */
export interface GroupRow {
  name: GroupName;
  selector: string | null;
  createdAt: Date;
  /** Another one with each change of the selector or the list. */
  revision: string;
  /** Null: its members have never been looked for (it was made by a version that looked each time). */
  evaluatedAt: Date | null;
}
export const GroupRow = new EntitySchema<GroupRow>({
  name: 'device_group',
  columns: {
    name: { type: 'text', primary: true },
    selector: { type: 'text', nullable: true },
    createdAt: { type: 'timestamptz', name: 'created_at' },
    revision: { type: 'uuid', generated: 'uuid' },
    evaluatedAt: { type: 'timestamptz', name: 'evaluated_at', nullable: true },
  },
});

/** Who belongs to which group, those of selectors too: active devices only. */
export interface GroupMemberRow {
  group: GroupName;
  device: DeviceId;
  since: Date;
}
export const GroupMemberRow = new EntitySchema<GroupMemberRow>({
  name: 'group_member',
  columns: {
    group: { type: 'text', primary: true, name: 'group_name' },
    device: { type: 'text', primary: true },
    since: { type: 'timestamptz', default: () => 'now()' },
  },
  indices: [{ name: 'group_member_device', columns: ['device'] }],
});
