import type { DeviceId, GroupName } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import { DataSource, type EntityManager, In, IsNull } from 'typeorm';
import { BlockRow } from '../blocks/block.entity.js';
import { AppError } from '../platform/errors.js';
import { GroupCalendarRow } from './calendar.entity.js';
import { ConfigurationRow } from './configuration.entity.js';
import { DeviceRow } from './device.entity.js';
import { GroupMemberRow, GroupRow } from './group.entity.js';

export async function groupByName(tx: EntityManager, name: string): Promise<GroupRow> {
  const row = await tx.findOneBy(GroupRow, { name: name as GroupName });
  if (!row) throw new AppError('GROUP_NOT_FOUND', `no group ${name}`);
  return row;
}

@Injectable()
export class GroupsRepository {
  constructor(@Inject(DataSource) private readonly db: DataSource) {}

  transaction<T>(work: (tx: EntityManager) => Promise<T>): Promise<T> {
    return this.db.transaction(work);
  }

  byName(name: string, tx: EntityManager = this.db.manager): Promise<GroupRow> {
    return groupByName(tx, name);
  }

  async list(limit: number, cursor: string | undefined): Promise<GroupRow[]> {
    const select = this.db.getRepository(GroupRow).createQueryBuilder('grouping');
    select
      .orderBy('grouping.createdAt', 'DESC')
      .addOrderBy('grouping.name', 'DESC')
      .take(limit + 1);
    if (cursor !== undefined) {
      const { createdAt, name } = await this.byName(cursor);
      select.where('(grouping.createdAt, grouping.name) < (:createdAt, :name)', { createdAt, name });
    }
    return select.getMany();
  }

  membersOf(groups: readonly GroupName[]): Promise<GroupMemberRow[]> {
    return this.db.getRepository(GroupMemberRow).find({ where: { group: In(groups) }, order: { device: 'ASC' } });
  }

  /** False where the name is taken. */
  async insert(tx: EntityManager, row: GroupRow): Promise<boolean> {
    const inserted = await tx.createQueryBuilder().insert().into(GroupRow).values(row).orIgnore().returning(['name']).execute();
    return (inserted.raw as unknown[]).length > 0;
  }

  async addMembers(tx: EntityManager, group: GroupName, devices: readonly DeviceId[]): Promise<void> {
    await tx.query(`INSERT INTO group_member (group_name, device) SELECT $1, unnest($2::text[])`, [group, devices]);
  }

  hasConfiguration(tx: EntityManager, name: GroupName): Promise<boolean> {
    return tx.existsBy(ConfigurationRow, { scope: 'group', name });
  }

  hasBlock(tx: EntityManager, group: GroupName): Promise<boolean> {
    return tx.existsBy(BlockRow, { group, liftedAt: IsNull() });
  }

  async remove(tx: EntityManager, name: GroupName): Promise<void> {
    await tx.delete(GroupMemberRow, { group: name });
    await tx.delete(GroupCalendarRow, { group: name });
    await tx.delete(GroupRow, { name });
  }

  async unknownAmong(tx: EntityManager, devices: readonly DeviceId[]): Promise<DeviceId[]> {
    const found = await tx.find(DeviceRow, { where: { id: In(devices), status: 'active' }, select: { id: true } });
    const known = new Set(found.map((row) => row.id));
    return devices.filter((device) => !known.has(device));
  }
}
