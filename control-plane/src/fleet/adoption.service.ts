import type { DeviceId, ReportedSlot } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { EventsService } from '../events/events.service.js';
import { ReleasesService } from '../models/releases.service.js';
import { AssignmentsRepository } from './assignments.repository.js';
import { AssignmentsService } from './assignments.service.js';

type OnRegressed = (tx: EntityManager, detail: string) => Promise<void>;

/** A database that was restored from a backup is older than its devices. */
@Injectable()
export class AdoptionService {
  #onRegressed: OnRegressed = () => Promise.resolve();

  constructor(
    @Inject(AssignmentsRepository) private readonly assignments: AssignmentsRepository,
    @Inject(AssignmentsService) private readonly service: AssignmentsService,
    @Inject(ReleasesService) private readonly releases: ReleasesService,
    @Inject(EventsService) private readonly events: EventsService,
  ) {}

  /** Who must know, in the same transaction, that the database is older than its devices. */
  whenRegressed(callback: OnRegressed): void {
    this.#onRegressed = callback;
  }

  /**
   * The device knows a later epoch than the database: what it has committed becomes what it should run, so that the restore disturbs
   * nothing, and all rollouts pause.
   */
  async adopt(tx: EntityManager, device: DeviceId, reported: readonly ReportedSlot[], reportedEpoch: number): Promise<void> {
    await this.assignments.lock(tx, [device]);
    await this.assignments.removeAll(tx, device);
    for (const { slot, deployment, digest, committed } of reported) {
      if (committed === undefined) continue;
      await this.releases.recover(tx, committed);
      // Its own deployment, where that is what it committed: a slot whose deployment is unchanged is not disturbed.
      await this.service.adopt(tx, { device, slot, deployment: digest === committed ? deployment : undefined, committed });
    }
    await this.assignments.adoptEpoch(tx, device, reportedEpoch + 1);
    const message = `${device} reports epoch ${reportedEpoch}, which this database has not issued: what it runs is adopted, all rollouts pause`;
    const data = { reportedEpoch, slots: reported };
    await this.events.append(tx, { kind: 'state-regressed', actor: 'flotilla', device, message, data });
    await this.#onRegressed(tx, message);
  }
}
