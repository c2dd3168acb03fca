import { Inject, Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { schedule, type ScheduledTask } from 'node-cron';
import { Leader } from '../platform/leader.js';
import type { Logger } from '../platform/logger.js';
import { CLOCK, LOGGER, type Clock } from '../platform/tokens.js';
import { Partitions } from './partitions.js';

const hourly = '7 * * * *';

/** There is a partition for every day to come: at start before anything is received, then each hour by the leader. */
@Injectable()
export class PartitionKeeper implements OnModuleInit, OnApplicationShutdown {
  #task: ScheduledTask | undefined;
  readonly #told = new Set<string>();

  constructor(
    @Inject(Partitions) private readonly partitions: Partitions,
    @Inject(Leader) private readonly leader: Leader,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(LOGGER) private readonly log: Logger,
  ) {}

  async onModuleInit(): Promise<void> {
    await this.keep(this.clock.now());
    const ahead = () => (this.leader.isLeader() ? this.keep(this.clock.now()) : undefined);
    this.#task = schedule(hourly, ahead, { name: 'partitions', noOverlap: true });
  }

  async onApplicationShutdown(): Promise<void> {
    await this.#task?.destroy();
  }

  /** Without a partition of its own a day's rows go to the default one: slower to delete, and not lost. */
  async keep(now: Date): Promise<void> {
    try {
      for (const name of await this.partitions.ensure(now)) await this.#tell(name);
    } catch (error) {
      this.log.error({ err: error }, 'partitions of the days to come could not be made; the next hour tries again');
    }
  }

  async #tell(name: string): Promise<void> {
    if (this.#told.has(name)) return;
    this.#told.add(name);
    await this.partitions.tellMissing(name);
  }
}
