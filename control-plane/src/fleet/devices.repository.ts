import type { DeviceId } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import { DataSource, type EntityManager, In } from 'typeorm';
import { AppError } from '../platform/errors.js';
import { OutboxRow } from '../link/outbox.entity.js';
import { ConfigurationReportRow, ConfigurationRow } from './configuration.entity.js';
import { AssignmentRow, DeviceRow, SlotCommitRow, SlotReportRow } from './device.entity.js';
import { GroupMemberRow } from './group.entity.js';
import { PinRow } from './pin.entity.js';

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

  active(tx: EntityManager = this.db.manager): Promise<DeviceRow[]> {
    return tx.find(DeviceRow, { where: { status: 'active' }, order: { id: 'ASC' } });
  }

  activeAmong(tx: EntityManager, ids: readonly DeviceId[]): Promise<DeviceRow[]> {
    return tx.findBy(DeviceRow, { id: In(ids), status: 'active' });
  }

  activeMembers(tx: EntityManager, group: string): Promise<DeviceRow[]> {
    return tx
      .createQueryBuilder(DeviceRow, 'device')
      .innerJoin(GroupMemberRow.options.name, 'member', 'member.device = device.id and member.group = :group', { group })
      .where(`device.status = 'active'`)
      .orderBy('device.id')
      .getMany();
  }

  /** Newest first, one more than the limit. */
  async list(query: {
    limit: number;
    cursor?: string | undefined;
    status?: DeviceRow['status'] | undefined;
  }): Promise<DeviceRow[]> {
    const select = this.db.getRepository(DeviceRow).createQueryBuilder('device');
    select
      .orderBy('device.enrolledAt', 'DESC')
      .addOrderBy('device.id', 'DESC')
      .take(query.limit + 1);
    if (query.status !== undefined) select.andWhere('device.status = :status', { status: query.status });
    if (query.cursor !== undefined) {
      const { enrolledAt, id } = await this.byId(query.cursor as DeviceId);
      select.andWhere('(device.enrolledAt, device.id) < (:enrolledAt, :id)', { enrolledAt, id });
    }
    return select.getMany();
  }

  async count(): Promise<{ total: number; online: number }> {
    const devices = this.db.getRepository(DeviceRow);
    const [total, online] = await Promise.all([
      devices.countBy({ status: 'active' }),
      devices.countBy({ status: 'active', online: true }),
    ]);
    return { total, online };
  }

  /** What the slots of these devices should run and say they run: two queries, however many devices. */
  async slots(ids: readonly DeviceId[]): Promise<{ assignments: AssignmentRow[]; reports: SlotReportRow[] }> {
    if (ids.length === 0) return { assignments: [], reports: [] };
    const where = { device: In(ids) };
    const [assignments, reports] = await Promise.all([
      this.db.getRepository(AssignmentRow).find({ where, order: { slot: 'ASC' } }),
      this.db.getRepository(SlotReportRow).find({ where, order: { slot: 'ASC' } }),
    ]);
    return { assignments, reports };
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
    await tx.delete(SlotReportRow, { device });
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
  async forgetReport(tx: EntityManager, device: DeviceId): Promise<void> {
    await tx.delete(ConfigurationReportRow, { device });
  }

  async sendDesired(tx: EntityManager, device: DeviceId): Promise<void> {
    await tx.insert(OutboxRow, { effect: { type: 'send-desired', device } });
  }

  async dropSession(tx: EntityManager, device: DeviceId): Promise<void> {
    await tx.insert(OutboxRow, { effect: { type: 'drop-session', device } });
  }
}

function notFound(id: string): never {
  throw new AppError('DEVICE_NOT_FOUND', `no device ${id}`);
}
