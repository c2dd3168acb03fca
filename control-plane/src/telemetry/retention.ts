import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { schedule, type ScheduledTask } from 'node-cron';
import type { ControlPlaneConfig } from '../config.js';
import { Leader } from '../platform/leader.js';
import type { Logger } from '../platform/logger.js';
import { CONFIG, LOGGER } from '../platform/tokens.js';
import { OldRows } from './old-rows.js';

const nightly = '17 3 * * *';
const dayMs = 86_400_000;

/** Partitions that went, and how many rows of each table that has none, or not yet. */
export type Deleted = { partitions: string[]; rows: Record<string, number> };

/** Every night the leader deletes what is older than it is kept for: records by `retentionDays`, rollups by `rollupDays`. */
@Injectable()
export class Retention implements OnApplicationBootstrap, OnApplicationShutdown {
  #task: ScheduledTask | undefined;

  constructor(
    @Inject(OldRows) private readonly old: OldRows,
    @Inject(Leader) private readonly leader: Leader,
    @Inject(CONFIG) private readonly config: Pick<ControlPlaneConfig, 'retentionDays' | 'rollupDays'>,
    @Inject(LOGGER) private readonly log: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.#task = schedule(nightly, ({ date }) => this.#runInLeader(date), { name: 'retention', noOverlap: true });
  }

  async onApplicationShutdown(): Promise<void> {
    await this.#task?.destroy();
  }

  async deleteOld(now: Date): Promise<Deleted> {
    const { retentionDays, rollupDays } = this.config;
    const before = (days: number) => new Date(now.getTime() - days * dayMs);
    const partitions = await this.old.dropPartitions(before(retentionDays));
    const rows = await this.old.deleteRecords(before(retentionDays));
    for (const span of ['minute', 'hour', 'day'] as const) {
      Object.assign(rows, await this.old.deleteRollups(span, before(rollupDays[span])));
    }
    return { partitions, rows };
  }

  async #runInLeader(now: Date): Promise<void> {
    if (!this.leader.isLeader()) return;
    try {
      this.log.info({ deleted: await this.deleteOld(now) }, 'old telemetry was deleted');
    } catch (error) {
      this.log.error({ err: error }, 'old telemetry could not be deleted; the next night tries again');
    }
  }
}
