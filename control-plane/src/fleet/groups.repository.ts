import type { DeviceId, GroupName } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import { Any, DataSource, type EntityManager, IsNull } from 'typeorm';
import { BlockRow } from '../blocks/block.entity.js';
import { AppError } from '../platform/errors.js';
import { GroupCalendarRow } from './calendar.entity.js';
import { ConfigurationRow } from './configuration.entity.js';
import { DeviceRow } from './device.entity.js';
import { GroupMemberRow, GroupRow } from './group.entity.js';
import { selectorSql } from './selector-sql.js';
import type { Selector } from './selector.js';

/** So many of them, the first of which are named. */
type Some = { size: number; members: DeviceId[] };
type Compared = Record<'wanted' | 'joining' | 'leaving', Some>;
const named = 100;
const nobody: Some = { size: 0, members: [] };

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

  async membersOf(groups: readonly GroupName[]): Promise<ReadonlyMap<GroupName, Some>> {
    const rows = await this.db.query<(Some & { name: GroupName })[]>(
      `SELECT g.name, (SELECT count(*)::int FROM group_member m WHERE m.group_name = g.name) size,
              ARRAY(SELECT m.device FROM group_member m WHERE m.group_name = g.name ORDER BY m.device LIMIT ${named}) members
       FROM unnest($1::text[]) g(name)`,
      [groups],
    );
    return new Map(rows.map(({ name, size, members }) => [name, { size, members }]));
  }

  /** Who would be in a group with this selector, beside who is in `group` now. */
  async compare(selector: Selector, group: GroupName | undefined): Promise<Compared> {
    const values: unknown[] = [group ?? null];
    const condition = selectorSql(selector, (value) => `$${values.push(value)}`);
    const rows = await this.db.query<(Some & { part: keyof Compared })[]>(
      `WITH wanted AS MATERIALIZED (SELECT id device FROM device WHERE status = 'active' AND ${condition}),
         present AS MATERIALIZED (SELECT device FROM group_member WHERE group_name = $1),
         parts AS (SELECT 'wanted' part, device FROM wanted
           UNION ALL SELECT 'joining', device FROM (SELECT device FROM wanted EXCEPT SELECT device FROM present) j
           UNION ALL SELECT 'leaving', device FROM (SELECT device FROM present EXCEPT SELECT device FROM wanted) l)
       SELECT part, count(*)::int size, (array_agg(device ORDER BY device))[1:${named}] members FROM parts GROUP BY part`,
      values,
    );
    const parts = Object.fromEntries(rows.map(({ part, size, members }) => [part, { size, members }]));
    return { wanted: nobody, joining: nobody, leaving: nobody, ...parts };
  }

  /** False where the name is taken. */
  async insert(tx: EntityManager, row: Omit<GroupRow, 'revision'>): Promise<boolean> {
    const inserted = await tx.createQueryBuilder().insert().into(GroupRow).values(row).orIgnore().returning(['name']).execute();
    return (inserted.raw as unknown[]).length > 0;
  }

  /** What was read before is outdated from here on. */
  async revise(tx: EntityManager, name: GroupName): Promise<void> {
    await tx.update(GroupRow, { name }, { revision: () => 'gen_random_uuid()' });
  }

  async setSelector(tx: EntityManager, name: GroupName, selector: string): Promise<void> {
    await tx.update(GroupRow, { name }, { selector });
  }

  async listed(tx: EntityManager, group: GroupName): Promise<DeviceId[]> {
    return (await tx.findBy(GroupMemberRow, { group })).map(({ device }) => device);
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
    const found = await tx.find(DeviceRow, { where: { id: Any(devices), status: 'active' }, select: { id: true } });
    const known = new Set(found.map((row) => row.id));
    return devices.filter((device) => !known.has(device));
  }
}
