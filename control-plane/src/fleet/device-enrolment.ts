import type { EntityManager } from 'typeorm';
import { Inject, Injectable } from '@nestjs/common';
import { EventsService } from '../events/events.service.js';
import { AppError } from '../platform/errors.js';
import { CLOCK, type Clock } from '../platform/tokens.js';
import { DeviceDeparture } from './device-departure.js';
import type { DeviceRow } from './device.entity.js';
import { DevicesRepository } from './devices.repository.js';
import { anyway } from './group-graph.js';
import { GroupMemberships } from './group-memberships.js';
import { checkLabels } from './labels.js';

/** What enrolment knows of a device. */
export type NewDevice = Pick<
  DeviceRow,
  'id' | 'profile' | 'hardwareClass' | 'labels' | 'keyThumbprint' | 'certificateSerial' | 'certificateExpiresAt'
>;
/** What its claim token says: it may take an active device's place, or has to be approved first. */
export type Terms = Readonly<{ replace?: boolean; approval?: boolean }>;

/** A board that has not been heard of yet. */
const unheard = {
  notes: [] as string[],
  agent: null,
  desiredHash: null,
  stream: null,
  boot: null,
  reportedEpoch: null,
  reportedHash: null,
  online: false,
  lastSeenAt: null,
} satisfies Partial<Record<keyof DeviceRow, unknown>>;

/** How devices come in, and which board stands for which device. */
@Injectable()
export class DeviceEnrolment {
  constructor(
    @Inject(DevicesRepository) private readonly devices: DevicesRepository,
    @Inject(DeviceDeparture) private readonly departure: DeviceDeparture,
    @Inject(GroupMemberships) private readonly memberships: GroupMemberships,
    @Inject(EventsService) private readonly events: EventsService,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /** A new device, or another board in the place of one. With the key that it has, a device only gets its new certificate. */
  async enrol(tx: EntityManager, device: NewDevice, terms: Terms = {}): Promise<void> {
    const row = await this.devices.locked(tx, device.id);
    const { certificateSerial, certificateExpiresAt } = device;
    if (row && row.status !== 'revoked' && row.keyThumbprint === device.keyThumbprint)
      return this.devices.update(tx, device.id, { certificateSerial, certificateExpiresAt });
    checkLabels(device.labels);
    await this.refuseBuried(tx, device);
    if (!row) await this.admit(tx, device, terms);
    else if (row.status === 'revoked') await this.readmit(tx, row, device, terms);
    else if (terms.replace) await this.takeOver(tx, row, device);
    else
      throw new AppError(
        'DEVICE_EXISTS',
        `device ${device.id} is enrolled with another key; to change its board run \`flotilla devices replace ${device.id}\``,
      );
    await this.memberships.devicesChanged(tx, [device.id], [anyway]);
  }

  private async refuseBuried(tx: EntityManager, { keyThumbprint }: NewDevice): Promise<void> {
    const buried = await this.devices.tombstone(tx, keyThumbprint);
    if (buried)
      throw new AppError(
        'CLAIM_REFUSED',
        `this key was ${buried.device}'s, which was removed or got another board: remove the folder "identity" from the agent's data, so that it makes a new key`,
      );
  }

  /** Epoch 1: the first birth, which says 0, is answered with the device's configuration. */
  private async admit(tx: EntityManager, device: NewDevice, terms: Terms): Promise<void> {
    const [enrolledAt, status] = [this.clock.now(), statusBy(terms)];
    const first = { tenant: 'default', enrolledAt, status, session: 0, epoch: 1, ...unattended };
    await this.devices.insert(tx, { ...unheard, ...first, ...device });
    await this.announce(tx, 'device-enrolled', device, status);
  }

  /** The name of a device that was removed: nothing but the name, and what was written about it, is the same. */
  private async readmit(tx: EntityManager, row: DeviceRow, device: NewDevice, terms: Terms): Promise<void> {
    const status = statusBy(terms);
    const { id, ...known } = device;
    const change = { ...unheard, ...known, ...unattended, status, epoch: row.epoch + 1, enrolledAt: this.clock.now() };
    await this.devices.update(tx, id, change);
    await this.announce(tx, 'device-enrolled', device, status);
  }

  /** Another board: name, labels, assignments and history stay. The old one is shut out in the same moment. */
  private async takeOver(tx: EntityManager, row: DeviceRow, device: NewDevice): Promise<void> {
    const { id, ...known } = device;
    const labels = { ...device.labels, ...row.labels };
    await this.devices.update(tx, id, { ...unheard, ...known, labels, status: 'active', epoch: row.epoch + 1 });
    await this.devices.forgetReports(tx, id);
    const message = `${id} (${device.profile}) has another board; the certificate of the old one is revoked`;
    const data = { profile: device.profile, hardwareClass: device.hardwareClass, before: row.hardwareClass };
    await this.events.append(tx, { kind: 'device-replaced', actor: `device:${id}`, device: id, message, data });
    await this.departure.shutOut(tx, row, 'renew-session');
  }

  private announce(tx: EntityManager, kind: string, device: NewDevice, status: DeviceRow['status']): Promise<void> {
    const { id, profile, hardwareClass } = device;
    const message = `${id} (${profile}) enrolled${status === 'pending' ? ` and waits: flotilla devices approve ${id}` : ''}`;
    const data = { profile, hardwareClass, status };
    return this.events.append(tx, { kind, actor: `device:${id}`, device: id, message, data });
  }
}

const unattended = { maintenance: null, maintenanceUntil: null };
const statusBy = ({ approval }: Terms): 'active' | 'pending' => (approval ? 'pending' : 'active');
