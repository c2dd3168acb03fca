import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { schedule, type ScheduledTask } from 'node-cron';
import type { ControlPlaneConfig } from '../config.js';
import { Leader } from '../platform/leader.js';
import type { Logger } from '../platform/logger.js';
import { CONFIG, LOGGER } from '../platform/tokens.js';
import { TelemetryRepository } from './telemetry.repository.js';

const nightly = '17 3 * * *';
const dayMs = 86_400_000;
/** Small enough that a chunk holds no lock for long. */
const chunk = 5000;
const tables = ['telemetry_window', 'vitals', 'dead_letter'] as const;

/** Every night the leader deletes what is older than `retentionDays`. */
@Injectable()
export class Retention implements OnApplicationBootstrap, OnApplicationShutdown {
  #task: ScheduledTask | undefined;

  constructor(
    @Inject(TelemetryRepository) private readonly telemetry: TelemetryRepository,
    @Inject(Leader) private readonly leader: Leader,
    @Inject(CONFIG) private readonly config: Pick<ControlPlaneConfig, 'retentionDays'>,
    @Inject(LOGGER) private readonly log: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.#task = schedule(nightly, ({ date }) => this.#runInLeader(date), { name: 'retention', noOverlap: true });
  }

  async onApplicationShutdown(): Promise<void> {
    await this.#task?.destroy();
  }

  /** How many rows of each table went. */
  async deleteOld(now: Date): Promise<Record<string, number>> {
    const before = new Date(now.getTime() - this.config.retentionDays * dayMs);
    const deleted: Record<string, number> = {};
    for (const table of tables) {
      let last = chunk;
      deleted[table] = 0;
      while (last === chunk) {
        last = await this.telemetry.deleteOlder(table, before, chunk);
        deleted[table] += last;
      }
    }
    return deleted;
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
