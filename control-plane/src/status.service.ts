import { setTimeout as delay } from 'node:timers/promises';
import type { StatusView } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { BlocksService } from './blocks/blocks.service.js';
import { DevicesService } from './fleet/devices.service.js';
import { ReleasesService } from './models/releases.service.js';
import { Counters } from './platform/counters.js';
import { Leader } from './platform/leader.js';
import { version } from './package-folder.js';

/** What the composition root knows of this process. */
export interface Surroundings {
  startedAt: Date;
  database: StatusView['database'];
  broker: () => StatusView['broker'];
  certificates: () => StatusView['certificates'];
}
export const SURROUNDINGS = Symbol('SURROUNDINGS');

/** For one small question. */
const answersWithinMs = 2000;

/** Totals of every feature, counted in one place. */
@Injectable()
export class FleetTotals {
  #asking: Promise<boolean> | undefined;

  constructor(
    @Inject(DataSource) private readonly db: DataSource,
    @Inject(DevicesService) private readonly devices: DevicesService,
    @Inject(ReleasesService) private readonly releases: ReleasesService,
    @Inject(BlocksService) private readonly blocks: BlocksService,
  ) {}

  async count(): Promise<Pick<StatusView, 'devices' | 'releases' | 'rollouts' | 'blocks'>> {
    const counts = [this.devices.count(), this.releases.count(), this.phases(), this.blocks.countInForce()] as const;
    const [devices, releases, phases, blocks] = await Promise.all(counts);
    return { devices, releases, blocks, rollouts: { running: phases.get('running') ?? 0, paused: phases.get('paused') ?? 0 } };
  }

  /** One that does not answer in time is not asked again meanwhile: that would take connections from who needs them. */
  answers(): Promise<boolean> {
    this.#asking ??= this.db
      .query('SELECT 1')
      .then(
        () => true,
        () => false,
      )
      .finally(() => (this.#asking = undefined));
    return Promise.race([this.#asking, delay(answersWithinMs, false, { ref: false })]);
  }

  private async phases(): Promise<Map<string, number>> {
    const rows = await this.db.query<{ phase: string; count: number }[]>(
      `SELECT phase, count(*)::int AS count FROM rollout WHERE phase IN ('running', 'paused') GROUP BY phase`,
    );
    return new Map(rows.map((row) => [row.phase, row.count]));
  }
}

@Injectable()
export class StatusService {
  constructor(
    @Inject(FleetTotals) private readonly totals: FleetTotals,
    @Inject(Leader) private readonly leader: Leader,
    @Inject(Counters) private readonly counters: Counters,
    @Inject(SURROUNDINGS) private readonly surroundings: Surroundings,
  ) {}

  async view(): Promise<StatusView> {
    const { startedAt, database, broker, certificates } = this.surroundings;
    return {
      version,
      startedAt: startedAt.toISOString(),
      database,
      broker: broker(),
      certificates: certificates(),
      leader: this.leader.isLeader(),
      ...(await this.totals.count()),
      counters: this.counters.snapshot(),
    };
  }

  async readiness(): Promise<{ database: boolean; broker: boolean }> {
    return { database: await this.totals.answers(), broker: this.surroundings.broker().connected };
  }
}
