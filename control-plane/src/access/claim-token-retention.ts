import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { schedule, type ScheduledTask } from 'node-cron';
import { Leader } from '../platform/leader.js';
import type { Logger } from '../platform/logger.js';
import { LOGGER } from '../platform/tokens.js';
import { ClaimTokensRepository } from './claim-tokens.repository.js';

const nightly = '43 3 * * *';
/** Long enough to ask what became of one; who enrolled with it stays in the event log. */
const keptMs = 30 * 86_400_000;

/** Every night the leader deletes claim tokens that were used up, or ran out, a month ago. */
@Injectable()
export class ClaimTokenRetention implements OnApplicationBootstrap, OnApplicationShutdown {
  #task: ScheduledTask | undefined;

  constructor(
    @Inject(ClaimTokensRepository) private readonly tokens: ClaimTokensRepository,
    @Inject(Leader) private readonly leader: Leader,
    @Inject(LOGGER) private readonly log: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.#task = schedule(nightly, ({ date }) => this.#runInLeader(date), { name: 'claim tokens', noOverlap: true });
  }

  async onApplicationShutdown(): Promise<void> {
    await this.#task?.destroy();
  }

  /** How many went. */
  deleteOld(now: Date): Promise<number> {
    return this.tokens.deleteOlder(new Date(now.getTime() - keptMs));
  }

  async #runInLeader(now: Date): Promise<void> {
    if (!this.leader.isLeader()) return;
    try {
      this.log.info({ deleted: await this.deleteOld(now) }, 'old claim tokens were deleted');
    } catch (error) {
      this.log.error({ err: error }, 'old claim tokens could not be deleted; the next night tries again');
    }
  }
}
