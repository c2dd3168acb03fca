import { Inject, Injectable } from '@nestjs/common';
import type { DeviceId } from '@flotilla/protocol';
import type { EntityManager } from 'typeorm';
import { EventsService } from '../events/events.service.js';
import { AppError } from '../platform/errors.js';
import { CLOCK, type Clock } from '../platform/tokens.js';
import { TrustService } from '../trust/trust.service.js';
import type { DeviceRow } from './device.entity.js';
import { DevicesRepository } from './devices.repository.js';
import { checkLabels } from './labels.js';

/** What enrolment knows of a device. */
export type NewDevice = Pick<
  DeviceRow,
  'id' | 'profile' | 'hardwareClass' | 'labels' | 'keyThumbprint' | 'certificateSerial' | 'certificateExpiresAt'
>;

/** A board that has not been heard of yet. */
const unheard = {
  status: 'active',
  notes: [],
  agent: null,
  desiredHash: null,
  stream: null,
  session: 0,
  boot: null,
  reportedEpoch: null,
  reportedHash: null,
  online: false,
  lastSeenAt: null,
} as const satisfies Partial<Record<keyof DeviceRow, unknown>>;

/** How devices come and go. */
@Injectable()
export class DeviceLifecycle {
  constructor(
    @Inject(DevicesRepository) private readonly devices: DevicesRepository,
    @Inject(TrustService) private readonly trust: TrustService,
    @Inject(EventsService) private readonly events: EventsService,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /** A new device, or another board in the place of a retired one. With the key that it has, an active one only gets its new certificate. */
  async enrol(tx: EntityManager, device: NewDevice): Promise<void> {
    checkLabels(device.labels);
    const row = await this.devices.locked(tx, device.id);
    if (!row) return this.admit(tx, device);
    if (row.status === 'revoked') return this.readmit(tx, row, device);
    const { id, keyThumbprint, certificateSerial, certificateExpiresAt } = device;
    if (row.keyThumbprint !== keyThumbprint)
      throw new AppError(
        'DEVICE_EXISTS',
        `device ${id} is enrolled with another key; to change its board run \`flotilla devices replace ${id}\``,
      );
    await this.devices.update(tx, id, { certificateSerial, certificateExpiresAt });
  }

  /** For good: certificate revoked, session dropped, assignments gone. The row stays, so that its history can be read. */
  async remove(id: DeviceId): Promise<void> {
    await this.devices.transaction(async (tx) => {
      const row = await this.devices.mustLock(tx, id);
      await this.devices.clear(tx, id);
      await this.shutOut(tx, row, { labels: {} }, 'device-removed', `removed ${id}; its certificate is revoked`);
    });
  }

  /** Shuts the old board out; labels and assignments stay for the board that comes in its place. */
  async retire(id: DeviceId): Promise<DeviceRow> {
    return this.devices.transaction(async (tx) => {
      const row = await this.devices.mustLock(tx, id);
      const message = `${id} waits for another board; the certificate of the old one is revoked`;
      await this.shutOut(tx, row, {}, 'device-retired', message);
      return row;
    });
  }

  /** Epoch 1: the first birth, which says 0, is answered with the device's configuration. */
  private async admit(tx: EntityManager, device: NewDevice): Promise<void> {
    await this.devices.insert(tx, {
      ...unheard,
      ...device,
      notes: [],
      tenant: 'default',
      enrolledAt: this.clock.now(),
      epoch: 1,
    });
    await this.announce(tx, 'device-enrolled', device, 'enrolled');
  }

  private async readmit(tx: EntityManager, row: DeviceRow, device: NewDevice): Promise<void> {
    const { id, ...known } = device;
    const labels = { ...row.labels, ...device.labels };
    const change = { ...unheard, ...known, labels, notes: [], session: row.session, epoch: row.epoch + 1 };
    await this.devices.update(tx, id, { ...change, enrolledAt: this.clock.now() });
    await this.announce(tx, 'device-replaced', device, 'enrolled again, with a new key');
  }

  private announce(tx: EntityManager, kind: string, { id, profile, hardwareClass }: NewDevice, what: string): Promise<void> {
    const message = `${id} (${profile}) ${what}`;
    return this.events.append(tx, { kind, actor: `device:${id}`, device: id, message, data: { profile, hardwareClass } });
  }

  private async shutOut(
    tx: EntityManager,
    row: DeviceRow,
    change: Partial<DeviceRow>,
    kind: string,
    message: string,
  ): Promise<void> {
    await this.devices.update(tx, row.id, { ...change, status: 'revoked', online: false });
    await this.devices.forgetReport(tx, row.id);
    await this.devices.dropSession(tx, row.id);
    await this.events.append(tx, { kind, actor: 'admin', device: row.id, message });
    // Last: a revoked certificate with an active row is a device that cannot connect; the other way round it could.
    await this.trust.revoke([row.certificateSerial]);
  }
}
