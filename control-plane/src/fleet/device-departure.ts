import type { DeviceId } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { EventsService } from '../events/events.service.js';
import { AppError } from '../platform/errors.js';
import { TrustService } from '../trust/trust.service.js';
import type { DeviceRow } from './device.entity.js';
import { DevicesRepository } from './devices.repository.js';
import { anyway } from './group-graph.js';
import { GroupMemberships } from './group-memberships.js';

/** How devices go. */
@Injectable()
export class DeviceDeparture {
  constructor(
    @Inject(DevicesRepository) private readonly devices: DevicesRepository,
    @Inject(GroupMemberships) private readonly memberships: GroupMemberships,
    @Inject(TrustService) private readonly trust: TrustService,
    @Inject(EventsService) private readonly events: EventsService,
  ) {}

  /** For good: certificate revoked, session dropped, assignments gone. What it reported and what was written about it stay, unless purged. */
  async remove(id: DeviceId, { purge, actor }: { purge: boolean; actor: string }): Promise<void> {
    await this.devices.transaction(async (tx) => {
      const row = await this.devices.mustLock(tx, id);
      if (row.status === 'revoked' && !purge) throw new AppError('DEVICE_REVOKED', `device ${id} is removed already`);
      await this.devices.clear(tx, id);
      const change = { labels: {}, status: 'revoked', online: false, maintenance: null, maintenanceUntil: null } as const;
      await this.devices.update(tx, id, change);
      if (purge) await this.devices.purge(tx, id);
      const message = `removed ${id}; its certificate is revoked${purge ? ', its data is deleted' : ''}`;
      await this.events.append(tx, { kind: 'device-removed', actor, device: id, message, data: { purge } });
      await this.memberships.devicesChanged(tx, [id], [anyway]);
      await this.shutOut(tx, row, 'drop-session');
    });
  }

  /** Last: a revoked certificate with an active row is a device that cannot connect; the other way round it could. */
  async shutOut(tx: EntityManager, { id, keyThumbprint, certificateSerial }: DeviceRow, effect: SessionEnd): Promise<void> {
    await this.devices.bury(tx, id, keyThumbprint);
    await this.devices.endSession(tx, id, effect);
    await this.trust.revoke([certificateSerial]);
  }
}

type SessionEnd = 'drop-session' | 'renew-session';
