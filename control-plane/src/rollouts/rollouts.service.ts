import { digestOf, type RolloutCommand, type RolloutId, type RolloutPlan, type RolloutPreview } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { Operator } from '../access/operator.js';
import type { RolloutEvent } from '../core/rollout.js';
import { Precondition } from '../platform/preconditions.js';
import { RolloutMachine } from './rollout-machine.js';
import { RolloutPlanner } from './rollout-planner.js';
import { RolloutRepository } from './rollout.repository.js';
import { UnheardGates } from './unheard-gates.js';

@Injectable()
export class RolloutsService {
  constructor(
    @Inject(RolloutRepository) private readonly rollouts: RolloutRepository,
    @Inject(RolloutPlanner) private readonly planner: RolloutPlanner,
    @Inject(RolloutMachine) private readonly machine: RolloutMachine,
    @Inject(UnheardGates) private readonly unheard: UnheardGates,
  ) {}

  /** Draft and start are one transaction: a plan that is accepted is on its way. */
  create(plan: RolloutPlan, actor: string): Promise<RolloutId> {
    return this.rollouts.transaction(async (tx) => {
      const at = await this.rollouts.now(tx);
      if (plan.supersede) await this.supersede(tx, plan, at, actor);
      const draft = await this.planner.draft(tx, plan, at);
      const start: RolloutEvent = { type: 'start', at: at.getTime(), planHash: planHash(plan), author: actor };
      await this.machine.apply(tx, draft, start, actor);
      return draft.id;
    });
  }

  preview(plan: RolloutPlan): Promise<RolloutPreview> {
    return this.rollouts.transaction(async (tx) => {
      const at = await this.rollouts.now(tx);
      const preview = await this.planner.preview(tx, plan, at);
      return { ...preview, unheard: await this.unheard.of(tx, plan, preview, at) };
    });
  }

  async command(id: RolloutId, command: RolloutCommand, operator: Operator, precondition = new Precondition()): Promise<void> {
    await this.machine.command(
      id,
      eventOf(command, operator, (await this.rollouts.now()).getTime()),
      operator.name,
      precondition,
    );
  }

  /** Pauses everything that runs, in the caller's transaction: after a restored backup nothing moves until somebody says so. */
  async pauseAll(tx: EntityManager, detail: string): Promise<void> {
    const at = (await this.rollouts.now(tx)).getTime();
    const event: RolloutEvent = { type: 'pause', at, reason: 'state-regressed', detail };
    for (const row of await this.rollouts.lockedIn(tx, 'running')) await this.machine.apply(tx, row, event, 'flotilla');
  }

  /** Nothing of the old ones is offered any more once the new one is there: one transaction. */
  private async supersede(tx: EntityManager, plan: RolloutPlan, at: Date, actor: string): Promise<void> {
    const rows = await this.rollouts.lockedById(tx, await this.planner.rivalsOf(tx, plan));
    const detail = `superseded by "${plan.name}"; devices keep what they have until it reaches them`;
    for (const row of rows) await this.machine.apply(tx, row, { type: 'supersede', at: at.getTime(), detail }, actor);
  }
}

/** What is approved: an approval of another plan is none. */
const planHash = (plan: RolloutPlan) => digestOf(plan);

function eventOf(command: RolloutCommand, { name: actor, role }: Operator, at: number): RolloutEvent {
  switch (command.type) {
    case 'pause':
      return { type: 'pause', at, reason: 'manual', detail: `paused by ${actor}` };
    case 'resume':
      return { type: 'resume', at, accepting: command.accepting };
    case 'approve':
    case 'reject':
    case 'withdraw-approval':
      return { type: command.type, at, by: actor, role, planHash: command.planHash, comment: command.comment };
    case 'retry':
      return { type: 'retry', at };
    case 'cancel':
      return { type: 'cancel', at };
    case 'roll-back':
      return { type: 'roll-back', at, detail: `asked for by ${actor}`, ...(command.to && { to: command.to }) };
  }
}
