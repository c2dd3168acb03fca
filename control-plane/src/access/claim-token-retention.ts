import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { CleanUp } from '../platform/clean-up.js';
import { Leader } from '../platform/leader.js';
import type { Logger } from '../platform/logger.js';
import { LOGGER } from '../platform/tokens.js';
import { ClaimTokensRepository } from './claim-tokens.repository.js';

/** Long enough to ask what became of one; who enrolled with it stays in the event log. */
const keptMs = 30 * 86_400_000;

/** Every night the leader deletes claim tokens that were used up, or ran out, a month ago. */
@Injectable()
export class ClaimTokenRetention implements OnApplicationBootstrap, OnApplicationShutdown {
  readonly #nightly: CleanUp;

  constructor(
    @Inject(ClaimTokensRepository) private readonly tokens: ClaimTokensRepository,
    @Inject(Leader) leader: Leader,
    @Inject(LOGGER) log: Logger,
  ) {
    const work = { at: '43 3 * * *', what: 'old claim tokens', deleteOld: (now: Date) => this.deleteOld(now) };
    this.#nightly = new CleanUp(work, leader, log);
  }

  onApplicationBootstrap(): void {
    this.#nightly.start();
  }

  onApplicationShutdown(): Promise<void> {
    return this.#nightly.stop();
  }

  /** How many went. */
  deleteOld(now: Date): Promise<number> {
    return this.tokens.deleteOlder(new Date(now.getTime() - keptMs));
  }
}
