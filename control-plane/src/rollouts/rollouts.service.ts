import type { RolloutCommand, RolloutId, RolloutPlan } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { RolloutEvent } from '../core/rollout.js';
import { CLOCK, type Clock } from '../platform/tokens.js';
import { RolloutMachine } from './rollout-machine.js';
import { RolloutPlanner } from './rollout-planner.js';
import { RolloutRepository } from './rollout.repository.js';

@Injectable()
export class RolloutsService {
  constructor(
    @Inject(RolloutRepository) private readonly rollouts: RolloutRepository,
    @Inject(RolloutPlanner) private readonly planner: RolloutPlanner,
    @Inject(RolloutMachine) private readonly machine: RolloutMachine,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /** Draft and start are one transaction: a plan that is accepted is on its way. */
  create(plan: RolloutPlan, actor: string): Promise<RolloutId> {
    const at = this.clock.now();
    return this.rollouts.transaction(async (tx) => {
      const draft = await this.planner.draft(tx, plan, at);
      await this.machine.apply(tx, draft, { type: 'start', at: at.getTime() }, actor);
      return draft.id;
    });
  }

  command(id: RolloutId, command: RolloutCommand, actor: string): Promise<void> {
    return this.machine.command(id, this.eventOf(command, actor), actor);
  }

  /** Pauses everything that runs, in the caller's transaction: after a restored backup nothing moves until somebody says so. */
  async pauseAll(tx: EntityManager, detail: string): Promise<void> {
    const event: RolloutEvent = { type: 'pause', at: this.clock.now().getTime(), reason: 'state-regressed', detail };
    for (const row of await this.rollouts.lockedIn(tx, 'running')) await this.machine.apply(tx, row, event, 'flotilla');
  }

  private eventOf(command: RolloutCommand, actor: string): RolloutEvent {
    const at = this.clock.now().getTime();
    switch (command.type) {
      case 'pause':
        return { type: 'pause', at, reason: 'manual', detail: `paused by ${actor}` };
      case 'resume':
        return { type: 'resume', at, accepting: command.accepting };
      case 'cancel':
        return { type: 'cancel', at };
      case 'roll-back':
        return { type: 'roll-back', at, detail: `asked for by ${actor}` };
    }
  }
}
