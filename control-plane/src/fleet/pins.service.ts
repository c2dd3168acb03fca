import type { DeviceId, Digest, PinRequest, PinView, SlotName } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import { EventsService } from '../events/events.service.js';
import { ReleasesService } from '../models/releases.service.js';
import { AppError } from '../platform/errors.js';
import { CLOCK, type Clock } from '../platform/tokens.js';
import { AssignmentsService } from './assignments.service.js';
import { PinRow } from './pin.entity.js';

/** A slot that keeps its release until it is unpinned; only a kill takes it away. */
@Injectable()
export class PinsService {
  constructor(
    @Inject(AssignmentsService) private readonly assignments: AssignmentsService,
    @Inject(ReleasesService) private readonly releases: ReleasesService,
    @Inject(EventsService) private readonly events: EventsService,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  async pin(device: DeviceId, slot: SlotName, { release, reason }: PinRequest, actor: string): Promise<PinView> {
    const digest = (await this.releases.byName(release)).digest as Digest;
    const at = this.clock.now();
    await this.assignments.transaction(async (tx) => {
      const [assigned] = await this.assignments.assign(tx, [{ device, digest }], { slot, owner: 'pin', actor, reason });
      if (assigned?.refused)
        throw new AppError('RELEASE_BLOCKED', `${release} on ${device}: ${assigned.refused.reason}; nothing was pinned`);
      if (!assigned?.deployment) throw new AppError('DEVICE_NOT_FOUND', `no active device ${device}`);
      await tx.upsert(PinRow, { device, slot, digest, reason, actor, at }, ['device', 'slot']);
      const message = `pinned slot ${slot} of ${device} to ${release}: ${reason}`;
      await this.events.append(tx, { kind: 'slot-pinned', actor, device, message, data: { slot, release, reason } });
    });
    return { device, slot, release, reason, actor, at: at.toISOString() };
  }

  /** The slot keeps what it has; from now on others may change it. */
  async unpin(device: DeviceId, slot: SlotName, actor: string): Promise<void> {
    await this.assignments.transaction(async (tx) => {
      const { affected } = await tx.delete(PinRow, { device, slot });
      if (!affected) throw new AppError('PIN_NOT_FOUND', `slot ${slot} of ${device} is not pinned`);
      await this.assignments.release(tx, device, slot, actor);
      await this.events.append(tx, {
        kind: 'slot-unpinned',
        actor,
        device,
        message: `unpinned slot ${slot} of ${device}`,
        data: { slot },
      });
    });
  }
}
