import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import type { Logger } from 'pino';
import { AppError } from '../platform/errors.js';
import { Leader } from '../platform/leader.js';
import { LOGGER } from '../platform/tokens.js';
import { Latecomers } from './latecomers.js';
import { RolloutChecks } from './rollout-checks.js';
import { RolloutMachine } from './rollout-machine.js';

const tickMs = 500;

/** The leader's hand: looks at every rollout under way, twice a second and while there is more to do, each in a transaction of its own. */
@Injectable()
export class RolloutConductor implements OnApplicationBootstrap, OnApplicationShutdown {
  #timer: NodeJS.Timeout | undefined;
  #ticking: Promise<unknown> = Promise.resolve();

  constructor(
    @Inject(RolloutMachine) private readonly machine: RolloutMachine,
    @Inject(RolloutChecks) private readonly checks: RolloutChecks,
    @Inject(Latecomers) private readonly latecomers: Latecomers,
    @Inject(Leader) private readonly leader: Leader,
    @Inject(LOGGER) private readonly log: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.#schedule();
  }

  async onApplicationShutdown(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    await this.#ticking;
  }

  #schedule(waitMs = tickMs): void {
    this.#timer = setTimeout(() => {
      this.#ticking = this.tick().then((more) => this.#timer && this.#schedule(more ? 0 : tickMs));
    }, waitMs);
  }

  /** True: a rollout has more to do at once. */
  async tick(): Promise<boolean> {
    if (!this.leader.isLeader()) return false;
    try {
      let more = false;
      await this.checks.look((tx) => this.leader.check(tx));
      for (const id of await this.machine.underWay()) {
        more = (await this.machine.tick(id, (tx) => this.leader.check(tx))) || more;
      }
      await this.latecomers.look((tx) => this.leader.check(tx));
      return more;
    } catch (error) {
      // Another leader, or a database that restarts: the next tick finds everything as it was committed.
      const level = error instanceof AppError && error.code === 'NOT_LEADER' ? 'info' : 'warn';
      this.log[level]({ err: error }, 'rollout tick failed');
      return false;
    }
  }
}
