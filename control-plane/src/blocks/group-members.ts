import type { DeviceId, GroupName } from '@flotilla/protocol';
import { Any, type EntityManager, In } from 'typeorm';
import { GroupMemberRow, GroupRow } from '../fleet/group.entity.js';

type Members = 'all' | ReadonlySet<DeviceId>;

/**
 * Who of these devices (absent: of all) belongs to each group. A group that is not known (the database was restored) is taken for
 * everybody: a block must not fall because its group is forgotten.
 */
export async function membersOf(
  tx: EntityManager,
  groups: readonly GroupName[],
  devices: readonly DeviceId[] | undefined,
): Promise<ReadonlyMap<GroupName, Members>> {
  const members = new Map<GroupName, Members>(groups.map((group) => [group, 'all']));
  const known = await tx.findBy(GroupRow, { name: In(groups) });
  const among = devices ? { device: Any(devices) } : {};
  const rows = Map.groupBy(await tx.findBy(GroupMemberRow, { group: In(groups), ...among }), ({ group }) => group);
  for (const { name } of known) members.set(name, new Set((rows.get(name) ?? []).map(({ device }) => device)));
  return members;
}
