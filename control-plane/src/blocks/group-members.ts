import type { DeviceId, GroupName } from '@flotilla/protocol';
import { type EntityManager, In } from 'typeorm';
import { DeviceRow } from '../fleet/device.entity.js';
import { GroupMemberRow, GroupRow } from '../fleet/group.entity.js';
import { matches, parseSelector } from '../fleet/selector.js';

type Members = 'all' | ReadonlySet<DeviceId>;

/**
 * Who of these devices (absent: of all active ones) belongs to each group. A group that is not known (the database was restored) is
 * taken for everybody: a block must not fall because its group is forgotten.
 */
export async function membersOf(
  tx: EntityManager,
  groups: readonly GroupName[],
  devices: readonly DeviceId[] | undefined,
): Promise<ReadonlyMap<GroupName, Members>> {
  const members = new Map<GroupName, Members>(groups.map((group) => [group, 'all']));
  const rows = await tx.findBy(GroupRow, { name: In(groups) });
  const among = devices ? { device: In(devices) } : {};
  const listed = await tx.findBy(GroupMemberRow, { group: In(groups), ...among });
  const bySelector = rows.filter(({ selector }) => selector !== null);
  const facts =
    bySelector.length === 0 ? [] : await tx.findBy(DeviceRow, { status: 'active', ...(devices && { id: In(devices) }) });
  for (const { name, selector } of rows) {
    if (selector === null) members.set(name, new Set(listed.filter((row) => row.group === name).map((row) => row.device)));
    else {
      const terms = parseSelector(selector);
      members.set(name, new Set(facts.filter((device) => matches(terms, device)).map((device) => device.id)));
    }
  }
  return members;
}
