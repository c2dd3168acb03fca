import type { DeviceId, GroupName } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import type { Dynamic } from './group-graph.js';
import { selectorSql } from './selector-sql.js';

/** Constants of our own: definitions of groups, and the devices whose memberships are being decided. */
const definitions = 7_041_970_514;
const decided = 704_197;
const stripes = 64;

/** The table of members: sets, not rows. */
@Injectable()
export class MembershipRepository {
  constructor(@Inject(DataSource) private readonly db: DataSource) {}

  transaction<T>(work: (tx: EntityManager) => Promise<T>): Promise<T> {
    return this.db.transaction(work);
  }

  async lockDefinitions(tx: EntityManager): Promise<void> {
    await tx.query(`SELECT pg_advisory_xact_lock($1::int8)`, [definitions]);
  }

  async shareDefinitions(tx: EntityManager): Promise<void> {
    await tx.query(`SELECT pg_advisory_xact_lock_shared($1::int8)`, [definitions]);
  }

  /** Of two transactions that change different things about one device the second sees what the first did. In order: no circle. */
  async lockDevices(tx: EntityManager, devices: readonly DeviceId[]): Promise<void> {
    await tx.query(
      `SELECT pg_advisory_xact_lock($1, stripe) FROM
         (SELECT DISTINCT hashtext(device) & ${stripes - 1} stripe FROM unnest($2::text[]) device ORDER BY stripe) s`,
      [decided, devices],
    );
  }

  async neverEvaluated(tx: EntityManager): Promise<GroupName[]> {
    const rows = await tx.query<{ name: GroupName }[]>(
      `SELECT name FROM device_group WHERE selector IS NOT NULL AND evaluated_at IS NULL`,
    );
    return rows.map(({ name }) => name);
  }

  selectors(tx: EntityManager): Promise<{ name: GroupName; selector: string }[]> {
    return tx.query(`SELECT name, selector FROM device_group WHERE selector IS NOT NULL ORDER BY name`);
  }

  /** Brings the members of these groups in step, among these devices or all; gives the groups that have others now. */
  async evaluate(
    tx: EntityManager,
    groups: readonly Pick<Dynamic, 'name' | 'selector'>[],
    devices: readonly DeviceId[] | null,
  ): Promise<string[]> {
    if (groups.length === 0) return [];
    const values: unknown[] = [groups.map(({ name }) => name), ...(devices === null ? [] : [devices])];
    const bind = (value: unknown) => `$${values.push(value)}`;
    const conditions = groups.map(({ name, selector }) => `(CAST(${bind(name)} AS text), ${selectorSql(selector, bind)})`);
    const among = (column: string) => (devices === null ? '' : `AND ${column} = ANY($2::text[])`);
    const changed = await tx.query<{ name: string }[]>(
      `WITH wanted AS MATERIALIZED (
         SELECT g.name, device.id FROM device CROSS JOIN LATERAL (VALUES ${conditions.join(', ')}) g(name, holds)
         WHERE device.status = 'active' AND g.holds ${among('device.id')}
       ), gone AS (
         DELETE FROM group_member m WHERE m.group_name = ANY($1::text[]) ${among('m.device')}
           AND NOT EXISTS (SELECT 1 FROM wanted w WHERE w.name = m.group_name AND w.id = m.device)
         RETURNING m.group_name name, m.device
       ), come AS (
         INSERT INTO group_member (group_name, device) SELECT name, id FROM wanted ORDER BY name, id
         ON CONFLICT DO NOTHING RETURNING group_name name, device
       ), changed AS (SELECT * FROM gone UNION ALL SELECT * FROM come
       ), told AS (${tellDevices})
       SELECT DISTINCT name FROM changed`,
      values,
    );
    if (devices === null) await this.evaluated(tx, values[0] as string[]);
    return changed.map(({ name }) => name);
  }

  /** Members of a list; the devices that are new to it or were in it, and now not, are told. */
  async list(
    tx: EntityManager,
    group: GroupName,
    { add, remove }: Record<'add' | 'remove', readonly DeviceId[]>,
  ): Promise<DeviceId[]> {
    const changed = await tx.query<{ device: DeviceId }[]>(
      `WITH gone AS (
         DELETE FROM group_member WHERE group_name = $1 AND device = ANY($3::text[]) RETURNING group_name name, device
       ), come AS (
         INSERT INTO group_member (group_name, device) SELECT $1, unnest($2::text[]) ON CONFLICT DO NOTHING RETURNING group_name name, device
       ), changed AS (SELECT * FROM gone UNION ALL SELECT * FROM come
       ), told AS (${tellDevices})
       SELECT device FROM changed ORDER BY device`,
      [group, add, remove],
    );
    return changed.map(({ device }) => device);
  }

  private async evaluated(tx: EntityManager, names: readonly string[]): Promise<void> {
    await tx.query(`UPDATE device_group SET evaluated_at = now() WHERE name = ANY($1::text[])`, [names]);
  }
}

/** Groups decide on configuration: where that is another now, the epoch rises as it is sent. */
const tellDevices = `INSERT INTO outbox (effect) SELECT jsonb_build_object('type', 'send-desired', 'device', device)
  FROM (SELECT DISTINCT device FROM changed JOIN configuration c ON c.scope = 'group' AND c.name = changed.name) d`;
