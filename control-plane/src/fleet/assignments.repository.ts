import type { DeviceId, Digest, Probation, SlotName } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import { Any, DataSource, type EntityManager, In } from 'typeorm';
import { AssignmentRow, DeviceRow, SlotReportRow } from './device.entity.js';
import { PinRow } from './pin.entity.js';

export interface NewAssignment {
  device: DeviceId;
  deployment: string;
  digest: Digest;
  slow?: Readonly<Record<string, number>>;
}
export interface Ownership {
  slot: SlotName;
  owner: string;
  priority: number;
  probation: Probation;
  actor: string | null;
  reason: string | null;
}

/** As little of a device as it takes to tell it something: there may be thousands. */
export type Addressed = Pick<DeviceRow, 'id' | 'tenant' | 'keyThumbprint' | 'epoch' | 'desiredHash'>;
/** What a device is told of an assignment. */
export type ToldSlot = Pick<AssignmentRow, 'device' | 'slot' | 'deployment' | 'digest' | 'probation' | 'slow'>;

/** What is urgent is sent before all else that waits. */
type Urgency = 'usual' | 'urgent';

/** Sets, not rows: a stage is offered to thousands of devices in one statement each. */
@Injectable()
export class AssignmentsRepository {
  constructor(@Inject(DataSource) private readonly db: DataSource) {}

  transaction<T>(work: (tx: EntityManager) => Promise<T>): Promise<T> {
    return this.db.transaction(work);
  }

  /** In id order, so that two transactions never wait for each other. Active devices only. */
  async lock(tx: EntityManager, devices: readonly DeviceId[]): Promise<Set<DeviceId>> {
    const rows = await tx
      .createQueryBuilder(DeviceRow, 'device')
      .select('device.id', 'id')
      .where('device.id = any(:devices) and device.status = :active', { devices, active: 'active' })
      .orderBy('device.id')
      .setLock('pessimistic_write')
      .getRawMany<{ id: DeviceId }>();
    return new Set(rows.map((row) => row.id));
  }

  current(tx: EntityManager, slot: SlotName, devices: readonly DeviceId[]): Promise<AssignmentRow[]> {
    return tx.find(AssignmentRow, { where: { slot, device: Any(devices) } });
  }

  ofDevices(tx: EntityManager, devices: readonly DeviceId[]): Promise<ToldSlot[]> {
    return tx.query(
      `SELECT device, slot, deployment, digest, probation, slow FROM assignment WHERE device = ANY($1::text[]) ORDER BY device, slot`,
      [devices],
    );
  }

  /** Deployments that their devices have given up. */
  async ended(tx: EntityManager, slot: SlotName, devices: readonly DeviceId[]): Promise<Set<string>> {
    const rows = await tx.find(SlotReportRow, {
      where: { slot, device: Any(devices), state: In(['failed', 'rolled-back', 'rejected']) },
      select: { device: true, slot: true, deployment: true },
    });
    return new Set(rows.flatMap((row) => row.deployment ?? []));
  }

  async upsert(
    tx: EntityManager,
    items: readonly NewAssignment[],
    { slot, owner, priority, probation, actor, reason }: Ownership,
  ): Promise<void> {
    if (items.length === 0) return;
    await tx.query(
      `INSERT INTO assignment (device, slot, deployment, digest, owner, priority, probation, slow, assigned_at, actor, reason)
       SELECT item.device, $1, item.deployment, item.digest, $2, $3, $4::jsonb, item.slow::jsonb, now(), $9, $10
       FROM unnest($5::text[], $6::uuid[], $7::text[], $8::text[]) AS item (device, deployment, digest, slow)
       ON CONFLICT (device, slot) DO UPDATE SET deployment = excluded.deployment, digest = excluded.digest, owner = excluded.owner,
         priority = excluded.priority, probation = excluded.probation, slow = excluded.slow, assigned_at = excluded.assigned_at,
         actor = excluded.actor, reason = excluded.reason`,
      [slot, owner, priority, JSON.stringify(probation), ...columns(items), actor, reason],
    );
  }

  /** Why slots are pinned, by device. */
  async pins(tx: EntityManager, slot: SlotName, devices: readonly DeviceId[]): Promise<Map<DeviceId, string>> {
    const rows = await tx.findBy(PinRow, { slot, device: Any(devices) });
    return new Map(rows.map(({ device, reason }) => [device, reason]));
  }

  /**
   * Another owner for what is assigned already: the devices notice nothing, but those which the owner before held back until a time
   * of its choice. These are given.
   */
  async own(
    tx: EntityManager,
    devices: readonly DeviceId[],
    { slot, owner, priority, actor, reason }: Ownership,
  ): Promise<DeviceId[]> {
    if (devices.length === 0) return [];
    await tx.update(AssignmentRow, { slot, device: Any(devices) }, { owner, priority, actor, reason });
    const [freed] = await tx.query<[{ device: DeviceId }[], number]>(
      `DELETE FROM activation x USING assignment a WHERE x.slot = $1 AND x.device = ANY($2::text[])
         AND a.device = x.device AND a.slot = x.slot AND a.deployment = x.deployment RETURNING x.device`,
      [slot, devices],
    );
    return freed.map(({ device }) => device);
  }

  async remove(tx: EntityManager, slot: SlotName, devices: readonly DeviceId[]): Promise<void> {
    if (devices.length > 0) await tx.delete(AssignmentRow, { slot, device: Any(devices) });
  }

  async removeAll(tx: EntityManager, device: DeviceId): Promise<void> {
    await tx.delete(AssignmentRow, { device });
  }

  /** The hash is that of an epoch already issued: a new epoch has none yet. */
  async raiseEpochs(tx: EntityManager, devices: readonly DeviceId[], urgency: Urgency = 'usual'): Promise<void> {
    if (devices.length === 0) return;
    await tx.query(`UPDATE device SET epoch = epoch + 1, desired_hash = NULL WHERE id = ANY($1::text[])`, [devices]);
    await this.send(tx, devices, urgency);
  }

  async send(tx: EntityManager, devices: readonly DeviceId[], urgency: Urgency = 'usual'): Promise<void> {
    await tx.query(
      `INSERT INTO outbox (effect, priority)
       SELECT jsonb_build_object('type', 'send-desired', 'device', device), $2 FROM unnest($1::text[]) AS device`,
      [devices, urgency === 'urgent' ? 0 : 1],
    );
  }

  device(tx: EntityManager, device: DeviceId): Promise<DeviceRow | null> {
    return tx.findOne(DeviceRow, { where: { id: device }, lock: { mode: 'pessimistic_write' } });
  }

  /** In id order, so that two transactions never wait for each other. Active devices only. */
  activeDevices(tx: EntityManager, devices: readonly DeviceId[]): Promise<Addressed[]> {
    return tx.query(
      `SELECT id, tenant, key_thumbprint "keyThumbprint", epoch, desired_hash "desiredHash" FROM device
       WHERE id = ANY($1::text[]) AND status = 'active' ORDER BY id FOR UPDATE`,
      [devices],
    );
  }

  async issued(tx: EntityManager, states: readonly { device: DeviceId; epoch: number; desiredHash: Digest }[]): Promise<void> {
    if (states.length === 0) return;
    await tx.query(
      `UPDATE device d SET epoch = s.epoch, desired_hash = s.hash FROM unnest($1::text[], $2::int[], $3::text[]) s(id, epoch, hash)
       WHERE d.id = s.id`,
      [states.map((s) => s.device), states.map((s) => s.epoch), states.map((s) => s.desiredHash)],
    );
  }

  async adoptEpoch(tx: EntityManager, device: DeviceId, epoch: number): Promise<void> {
    await tx.update(DeviceRow, { id: device }, { epoch, desiredHash: null });
    await this.send(tx, [device]);
  }
}

const columns = (items: readonly NewAssignment[]) => [
  items.map((item) => item.device),
  items.map((item) => item.deployment),
  items.map((item) => item.digest),
  items.map((item) => JSON.stringify(item.slow ?? {})),
];
