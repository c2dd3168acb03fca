import type { Calendar, DeviceId, GroupName, SlotName } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import { ActivationRow, GroupCalendarRow } from './calendar.entity.js';

/** From when, until when (outside), or not before a word. All absent: as soon as it can. */
export type Timing = Readonly<{ after?: number; before?: number; hold?: boolean }>;
export type Timed = Readonly<{ device: DeviceId; deployment: string; timing: Timing }>;

@Injectable()
export class CalendarsRepository {
  constructor(@Inject(DataSource) private readonly db: DataSource) {}

  transaction<T>(work: (tx: EntityManager) => Promise<T>): Promise<T> {
    return this.db.transaction(work);
  }

  all(tx: EntityManager = this.db.manager): Promise<GroupCalendarRow[]> {
    return tx.find(GroupCalendarRow, { order: { group: 'ASC' } });
  }

  async of(group: GroupName): Promise<Calendar | undefined> {
    return (await this.db.manager.findOneBy(GroupCalendarRow, { group }))?.calendar;
  }

  /** Of a group that stays as it is until this transaction ends. */
  async locked(tx: EntityManager, group: GroupName): Promise<Calendar | undefined> {
    await tx.query(`SELECT FROM device_group WHERE name = $1 FOR UPDATE`, [group]);
    return (await tx.findOneBy(GroupCalendarRow, { group }))?.calendar;
  }

  async set(tx: EntityManager, group: GroupName, calendar: Calendar, updatedAt: Date): Promise<void> {
    await tx.upsert(GroupCalendarRow, { group, calendar, updatedAt }, ['group']);
  }

  async remove(tx: EntityManager, group: GroupName): Promise<void> {
    await tx.delete(GroupCalendarRow, { group });
  }

  /** Which of these groups each device is in; devices in none are left out. */
  async membersAmong(
    tx: EntityManager,
    groups: readonly GroupName[],
    devices: readonly DeviceId[],
  ): Promise<Map<DeviceId, GroupName[]>> {
    if (groups.length === 0) return new Map();
    const rows = await tx.query<{ device: DeviceId; groups: GroupName[] }[]>(
      `SELECT device, array_agg(group_name ORDER BY group_name) groups FROM group_member
       WHERE group_name = ANY($1::text[]) AND device = ANY($2::text[]) GROUP BY device`,
      [groups, devices],
    );
    return new Map(rows.map((row) => [row.device, row.groups]));
  }

  /** When devices may begin to run what they were assigned just now, or before: then their epochs rise. */
  async time(tx: EntityManager, slot: SlotName, items: readonly Timed[]): Promise<void> {
    if (items.length === 0) return;
    const instant = (ms: number | undefined) => (ms === undefined ? null : new Date(ms));
    await tx.query(
      `INSERT INTO activation (device, slot, deployment, after, before, hold)
       SELECT item.device, $1, item.deployment, item.after, item.before, item.hold
       FROM unnest($2::text[], $3::uuid[], $4::timestamptz[], $5::timestamptz[], $6::bool[]) item (device, deployment, after, before, hold)
       ON CONFLICT (device, slot) DO UPDATE SET deployment = excluded.deployment, after = excluded.after, before = excluded.before,
         hold = excluded.hold`,
      [
        slot,
        items.map((item) => item.device),
        items.map((item) => item.deployment),
        items.map((item) => instant(item.timing.after)),
        items.map((item) => instant(item.timing.before)),
        items.map((item) => item.timing.hold ?? false),
      ],
    );
  }

  /** By slot, where it holds for what is assigned. */
  async ofDevices(tx: EntityManager, devices: readonly DeviceId[]): Promise<ActivationRow[]> {
    return tx
      .createQueryBuilder(ActivationRow, 'activation')
      .innerJoin(
        'assignment',
        'a',
        'a.device = activation.device AND a.slot = activation.slot AND a.deployment = activation.deployment',
      )
      .where('activation.device = any(:devices)', { devices })
      .getMany();
  }
}
