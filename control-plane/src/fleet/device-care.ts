import type { DeviceId, MaintenanceRequest } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { EventsService } from '../events/events.service.js';
import { AppError } from '../platform/errors.js';
import { CLOCK, type Clock } from '../platform/tokens.js';
import type { DeviceRow } from './device.entity.js';
import { DevicesRepository } from './devices.repository.js';
import { anyway } from './group-graph.js';
import { GroupMemberships } from './group-memberships.js';

/** What people decide about a device that is there: let it in, or see to it. */
@Injectable()
export class DeviceCare {
  constructor(
    @Inject(DevicesRepository) private readonly devices: DevicesRepository,
    @Inject(GroupMemberships) private readonly memberships: GroupMemberships,
    @Inject(EventsService) private readonly events: EventsService,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /** It is sent away once, so that it says at once what it is and is told what to run. Again: nothing more happens. */
  approve(id: DeviceId, actor: string): Promise<void> {
    return this.change(id, async (tx, row) => {
      if (row.status === 'active') return;
      await this.devices.update(tx, id, { status: 'active' });
      await this.devices.endSession(tx, id, 'renew-session');
      await this.events.append(tx, { kind: 'device-approved', actor, device: id, message: `${id} is approved` });
      await this.memberships.devicesChanged(tx, [id], [anyway]);
    });
  }

  beginMaintenance(id: DeviceId, { reason, until }: MaintenanceRequest, actor: string): Promise<void> {
    return this.change(id, async (tx) => {
      const now = this.clock.now();
      const end = until === undefined ? null : new Date(until);
      if (end && end <= now) throw new AppError('INVALID_REQUEST', `until: ${until} is over already`);
      const maintenance = { reason, since: now.toISOString(), actor };
      await this.devices.update(tx, id, { maintenance, maintenanceUntil: end });
      const message = `${id} is in maintenance${end ? ` until ${end.toISOString()}` : ''}: ${reason}`;
      await this.events.append(tx, { kind: 'maintenance-begun', actor, device: id, message, data: { reason, until } });
    });
  }

  endMaintenance(id: DeviceId, actor: string): Promise<void> {
    return this.change(id, async (tx, row) => {
      if (row.maintenance === null) return;
      await this.devices.update(tx, id, { maintenance: null, maintenanceUntil: null });
      await this.events.append(tx, { kind: 'maintenance-ended', actor, device: id, message: `${id} is out of maintenance` });
    });
  }

  private change(id: DeviceId, work: (tx: EntityManager, row: DeviceRow) => Promise<void>): Promise<void> {
    return this.devices.transaction(async (tx) => {
      const row = await this.devices.mustLock(tx, id);
      if (row.status === 'revoked') throw new AppError('DEVICE_REVOKED', `device ${id} has been removed`);
      await work(tx, row);
    });
  }
}
