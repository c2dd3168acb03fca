import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import type { ControlPlaneConfig } from '../config.js';
import { CleanUp } from '../platform/clean-up.js';
import { Leader } from '../platform/leader.js';
import type { Logger } from '../platform/logger.js';
import { CONFIG, LOGGER } from '../platform/tokens.js';
import { OldRows } from './old-rows.js';

const dayMs = 86_400_000;

/** Partitions that went, and how many rows of each table that has none, or not yet. */
export type Deleted = { partitions: string[]; rows: Record<string, number> };

/** Every night the leader deletes what is older than it is kept for: records by `retentionDays`, rollups by `rollupDays`. */
@Injectable()
export class Retention implements OnApplicationBootstrap, OnApplicationShutdown {
  readonly #nightly: CleanUp;

  constructor(
    @Inject(OldRows) private readonly old: OldRows,
    @Inject(Leader) leader: Leader,
    @Inject(CONFIG) private readonly config: Pick<ControlPlaneConfig, 'retentionDays' | 'rollupDays'>,
    @Inject(LOGGER) log: Logger,
  ) {
    const work = { at: '17 3 * * *', what: 'old telemetry', deleteOld: (now: Date) => this.deleteOld(now) };
    this.#nightly = new CleanUp(work, leader, log);
  }

  onApplicationBootstrap(): void {
    this.#nightly.start();
  }

  onApplicationShutdown(): Promise<void> {
    return this.#nightly.stop();
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
}
