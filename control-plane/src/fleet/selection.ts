import type { EntityManager, SelectQueryBuilder } from 'typeorm';
import { In } from 'typeorm';
import { AppError } from '../platform/errors.js';
import type { DeviceRow } from './device.entity.js';
import { groupsIn } from './group-graph.js';
import { GroupRow } from './group.entity.js';
import { readsOf, selectorSql } from './selector-sql.js';
import type { Selector } from './selector.js';

/** Narrows a query for devices, whose alias must be `device`. */
export function whereSelected(select: SelectQueryBuilder<DeviceRow>, selector: Selector): SelectQueryBuilder<DeviceRow> {
  const parameters: Record<string, unknown> = {};
  const condition = selectorSql(selector, (value) => {
    const name = `selected${Object.keys(parameters).length}`;
    parameters[name] = value;
    return `:${name}`;
  });
  return select.andWhere(`device.status = 'active'`).andWhere(`(${condition})`, parameters);
}

/** A group that is not there has no members: likely a slip of the pen. */
export async function refuseUnknownGroups(tx: EntityManager, selector: Selector): Promise<void> {
  const names = groupsIn(readsOf(selector));
  if (names.length === 0) return;
  const known = new Set((await tx.findBy(GroupRow, { name: In(names) })).map((row) => row.name as string));
  const missing = names.find((name) => !known.has(name));
  if (missing !== undefined) throw new AppError('GROUP_NOT_FOUND', `selector: no group ${missing}`);
}
