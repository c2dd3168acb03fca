import type { DeviceId, GroupName, StatusView } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import { Any, DataSource, type EntityManager } from 'typeorm';
import { AppError } from '../platform/errors.js';
import { type OutboxEffect, OutboxRow } from '../link/outbox.entity.js';
import { ConfigurationReportRow, ConfigurationRow } from './configuration.entity.js';
import { AssignmentRow, DeviceRow, SlotCommitRow, SlotReportRow } from './device.entity.js';
import { GroupMemberRow } from './group.entity.js';
import { PinRow } from './pin.entity.js';
import { inMaintenance } from './maintenance.js';
import { TombstoneRow } from './tombstone.entity.js';
import { refuseUnknownGroups, whereSelected } from './selection.js';
import type { Selector } from './selector.js';

/** As little of a device as a plan needs: there may be a hundred thousand. */
export type Member = Pick<DeviceRow, 'id' | 'profile' | 'hardwareClass' | 'agent' | 'online'> & { site: string | null };

@Injectable()
export class DevicesRepository {
  constructor(@Inject(DataSource) private readonly db: DataSource) {}

  transaction<T>(work: (tx: EntityManager) => Promise<T>): Promise<T> {
    return this.db.transaction(work);
  }

  async byId(id: DeviceId): Promise<DeviceRow> {
    const row = await this.db.getRepository(DeviceRow).findOneBy({ id });
    return row ?? notFound(id);
  }

  /** The row's lock is the lock of the device's desired state. */
  locked(tx: EntityManager, id: DeviceId): Promise<DeviceRow | null> {
    return tx.findOne(DeviceRow, { where: { id }, lock: { mode: 'pessimistic_write' } });
  }

  async mustLock(tx: EntityManager, id: DeviceId): Promise<DeviceRow> {
    return (await this.locked(tx, id)) ?? notFound(id);
  }

  /** Active ones, by id. */
  async matching(selector: Selector, tx: EntityManager = this.db.manager): Promise<DeviceRow[]> {
    await refuseUnknownGroups(tx, selector);
    return whereSelected(tx.createQueryBuilder(DeviceRow, 'device'), selector).orderBy('device.id').getMany();
  }

  /** In id order, so that two transactions never wait for each other. */
  async lockedLabels(tx: EntityManager, ids: readonly DeviceId[]): Promise<Map<DeviceId, DeviceRow['labels']>> {
    const rows = await tx.query<Pick<DeviceRow, 'id' | 'labels'>[]>(
      `SELECT id, labels FROM device WHERE id = ANY($1::text[]) ORDER BY id FOR UPDATE`,
      [ids],
    );
    return new Map(rows.map(({ id, labels }) => [id, labels]));
  }

  async statuses(tx: EntityManager, ids: readonly DeviceId[]): Promise<Map<DeviceId, DeviceRow['status']>> {
    const rows = await tx.find(DeviceRow, { where: { id: Any(ids) }, select: { id: true, status: true } });
    return new Map(rows.map(({ id, status }) => [id, status]));
  }

  async setLabels(
    tx: EntityManager,
    items: readonly { device: DeviceId; labels: Readonly<Record<string, string>> }[],
  ): Promise<void> {
    await tx.query(
      `UPDATE device SET labels = item.labels::jsonb FROM unnest($1::text[], $2::text[]) item(device, labels) WHERE id = item.device`,
      [items.map(({ device }) => device), items.map(({ labels }) => JSON.stringify(labels))],
    );
  }

  activeAmong(tx: EntityManager, ids: readonly DeviceId[]): Promise<DeviceRow[]> {
    return tx.findBy(DeviceRow, { id: Any(ids), status: 'active' });
  }

  activeMembers(tx: EntityManager, group: string): Promise<DeviceRow[]> {
    return inGroup(tx, group).orderBy('device.id').getMany();
  }

  /** Active ones, by id. */
  async members(tx: EntityManager, by: { selector: Selector } | { group: string }): Promise<Member[]> {
    if ('selector' in by) await refuseUnknownGroups(tx, by.selector);
    const chosen =
      'selector' in by ? whereSelected(tx.createQueryBuilder(DeviceRow, 'device'), by.selector) : inGroup(tx, by.group);
    return chosen
      .select('device.id', 'id')
      .addSelect('device.profile', 'profile')
      .addSelect('device.hardwareClass', 'hardwareClass')
      .addSelect('device.agent', 'agent')
      .addSelect('device.online', 'online')
      .addSelect(`device.labels ->> 'site'`, 'site')
      .orderBy('device.id')
      .getRawMany<Member>();
  }

  /** Newest first, one more than the limit. */
  async list(query: {
    limit: number;
    cursor?: string | undefined;
    status?: DeviceRow['status'] | undefined;
    selector?: Selector | undefined;
  }): Promise<DeviceRow[]> {
    const select = this.db.getRepository(DeviceRow).createQueryBuilder('device');
    select
      .orderBy('device.enrolledAt', 'DESC')
      .addOrderBy('device.id', 'DESC')
      .take(query.limit + 1);
    if (query.selector !== undefined) {
      await refuseUnknownGroups(this.db.manager, query.selector);
      whereSelected(select, query.selector);
    }
    if (query.status !== undefined) select.andWhere('device.status = :status', { status: query.status });
    if (query.cursor !== undefined) {
      const { enrolledAt, id } = await this.byId(query.cursor as DeviceId);
      select.andWhere('(device.enrolledAt, device.id) < (:enrolledAt, :id)', { enrolledAt, id });
    }
    return select.getMany();
  }

  async count(): Promise<StatusView['devices']> {
    const [counts] = await this.db.query<[StatusView['devices']]>(
      `SELECT (count(*) FILTER (WHERE status = 'active'))::int total,
              (count(*) FILTER (WHERE status = 'active' AND online))::int online,
              (count(*) FILTER (WHERE status = 'active' AND ${inMaintenance('device')}))::int maintenance,
              (count(*) FILTER (WHERE status = 'pending'))::int pending,
              (count(*) FILTER (WHERE status = 'active' AND certificate_expires_at < now() + interval '14 days'))::int "certificateEnds"
       FROM device`,
    );
    return counts;
  }

  /** What the slots of these devices should run and say they run: two queries, however many devices. */
  async slots(ids: readonly DeviceId[]): Promise<{ assignments: AssignmentRow[]; reports: SlotReportRow[] }> {
    if (ids.length === 0) return { assignments: [], reports: [] };
    const where = { device: Any(ids) };
    const [assignments, reports] = await Promise.all([
      this.db.getRepository(AssignmentRow).find({ where, order: { slot: 'ASC' } }),
      this.db.getRepository(SlotReportRow).find({ where, order: { slot: 'ASC' } }),
    ]);
    return { assignments, reports };
  }

  async groupsOf(ids: readonly DeviceId[]): Promise<Map<DeviceId, GroupName[]>> {
    const rows = await this.db.getRepository(GroupMemberRow).find({ where: { device: Any(ids) }, order: { group: 'ASC' } });
    const byDevice = Map.groupBy(rows, ({ device }) => device);
    return new Map([...byDevice].map(([device, list]) => [device, list.map(({ group }) => group)]));
  }

  async insert(tx: EntityManager, row: DeviceRow): Promise<void> {
    await tx.insert(DeviceRow, row as object);
  }

  async update(tx: EntityManager, id: DeviceId, change: Partial<DeviceRow>): Promise<void> {
    await tx.update(DeviceRow, { id }, change as object);
  }

  /** Nothing is left of what the device should run or said it runs. */
  async clear(tx: EntityManager, device: DeviceId): Promise<void> {
    await tx.delete(AssignmentRow, { device });
    await this.forgetReports(tx, device);
    await tx.delete(SlotCommitRow, { device });
    await tx.delete(PinRow, { device });
    await tx.delete(GroupMemberRow, { device });
    await tx.query(
      `INSERT INTO configuration_version (scope, name, version, priority, comment, actor, at)
       SELECT scope, name, version + 1, priority, 'the device was removed', 'admin', now()
       FROM configuration WHERE scope = 'device' AND name = $1`,
      [device],
    );
    await tx.delete(ConfigurationRow, { scope: 'device', name: device });
  }

  /** What the board in its place will say is another thing. */
  async forgetReports(tx: EntityManager, device: DeviceId): Promise<void> {
    await tx.delete(ConfigurationReportRow, { device });
    await tx.delete(SlotReportRow, { device });
  }

  async endSession(tx: EntityManager, device: DeviceId, type: 'drop-session' | 'renew-session'): Promise<void> {
    await tx.insert(OutboxRow, { effect: { type, device } as OutboxEffect });
  }

  tombstone(tx: EntityManager, keyThumbprint: string): Promise<TombstoneRow | null> {
    return tx.findOneBy(TombstoneRow, { keyThumbprint });
  }

  async bury(tx: EntityManager, device: DeviceId, keyThumbprint: string): Promise<void> {
    await tx.query(`INSERT INTO device_tombstone VALUES ($1, $2, now()) ON CONFLICT DO NOTHING`, [keyThumbprint, device]);
  }

  /** All that the device has ever sent. The log of what was done stays, as does the key's tombstone. */
  async purge(tx: EntityManager, device: DeviceId): Promise<void> {
    // A roll-up that has read the windows already ends first: else it would write what is deleted here.
    await tx.query(`SELECT FROM rollup_watermark FOR UPDATE`);
    for (const table of reported) await tx.query(`DELETE FROM ${table} WHERE device = $1`, [device]);
  }
}

/** Tables of what devices send. */
const reported = [
  'telemetry_window',
  'vitals',
  'dead_letter',
  'device_stream',
  'rollup_device_hour',
  'rollup_device_day',
  'rollup_vitals_hour',
  'rollup_vitals_day',
  'rollup_content_hour',
  'rollup_content_day',
] as const;

const inGroup = (tx: EntityManager, group: string) =>
  tx
    .createQueryBuilder(DeviceRow, 'device')
    .innerJoin(GroupMemberRow.options.name, 'member', 'member.device = device.id and member.group = :group', { group })
    .where(`device.status = 'active'`);

function notFound(id: string): never {
  throw new AppError('DEVICE_NOT_FOUND', `no device ${id}`);
}
