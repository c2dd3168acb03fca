import type { RolloutId } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import {
  reduceRollout,
  type RolloutEffect,
  type RolloutEvent,
  type Observation,
  type RolloutState,
  type Step,
} from '../core/rollout.js';
import { quarantined } from '../core/quarantine.js';
import { EventsService } from '../events/events.service.js';
import { AppError } from '../platform/errors.js';
import type { Precondition } from '../platform/preconditions.js';
import { RolloutEffects } from './rollout-effects.js';
import { RolloutObserver } from './rollout-observer.js';
import type { RolloutRow } from './rollout.entity.js';
import { standingTagOf } from './rollout-view.js';
import { RolloutRepository } from './rollout.repository.js';
import { TargetRepository } from './target.repository.js';

/** Decide, save, act: all in one transaction under the rollout's row lock. */
@Injectable()
export class RolloutMachine {
  constructor(
    @Inject(RolloutRepository) private readonly rollouts: RolloutRepository,
    @Inject(TargetRepository) private readonly targets: TargetRepository,
    @Inject(RolloutEffects) private readonly effects: RolloutEffects,
    @Inject(EventsService) private readonly events: EventsService,
    @Inject(RolloutObserver) private readonly observer: RolloutObserver,
  ) {}

  /** An operator's command, or the start; refused commands throw. */
  async command(id: RolloutId, event: RolloutEvent, actor: string, precondition: Precondition): Promise<void> {
    await this.rollouts.locked(id, (tx, row) => {
      precondition.check(`rollout ${row.name}`, standingTagOf(row));
      return this.apply(tx, row, event, actor);
    });
  }

  /** Rollouts that a tick has to look at. */
  underWay(): Promise<RolloutId[]> {
    return this.rollouts.active();
  }

  /**
   * One look: silence is swept, what is committed is counted, and the machine decides. `guard` refuses a leader that was deposed.
   * The time is the database's: control planes take over from one another, and their clocks differ. True: the next look has something
   * to do at once.
   */
  async tick(id: RolloutId, guard: (tx: EntityManager) => Promise<void>, now?: Date): Promise<boolean> {
    return this.rollouts.locked(id, async (tx, row) => {
      await guard(tx);
      const at = now ?? (await this.rollouts.now(tx));
      const observation = await this.quarantine(tx, row, await this.observer.look(tx, row, at), at);
      const event: RolloutEvent = { type: 'observed', at: at.getTime(), observation };
      const step = reduceRollout(row.plan, row.state, event);
      if ('refused' in step) return false;
      // Where it is the same: more devices of the stage under way, nothing that the history would have to tell.
      const changed = JSON.stringify(step.state) !== JSON.stringify(row.state);
      const more = changed ? await this.take(tx, row, event, step, 'flotilla') : await this.perform(tx, row, step.effects, at);
      return more || placeOf(step.state) !== placeOf(row.state);
    });
  }

  async apply(tx: EntityManager, row: RolloutRow, event: RolloutEvent, actor: string): Promise<void> {
    const step = reduceRollout(row.plan, row.state, event);
    if ('refused' in step) throw new AppError('ROLLOUT_REFUSED', step.refused);
    await this.take(tx, row, event, step, actor);
  }

  private async take(
    tx: EntityManager,
    row: RolloutRow,
    event: RolloutEvent,
    { state, effects }: Exclude<Step, { refused: string }>,
    actor: string,
  ): Promise<boolean> {
    const at = new Date(event.at);
    await this.rollouts.save(tx, row.id, { state, event, actor, at });
    // Enough have decided: what is still open of those that are away would open it again at once.
    if (state.phase === 'completed') await this.targets.deferAbsent(tx, row.id, 'when the rollout completed');
    const more = await this.perform(tx, { ...row, state }, effects, at);
    if (inWords(row, state) === inWords(row, row.state) && event.type === 'observed') return more;
    await this.events.append(tx, {
      kind: `rollout-${state.phase}`,
      actor,
      rollout: row.id,
      message: inWords(row, state),
      data: { state, ...(event.type === 'resume' && event.accepting ? { accepting: event.accepting } : {}) },
    });
    return more;
  }

  private async perform(tx: EntityManager, row: RolloutRow, effects: readonly RolloutEffect[], at: Date): Promise<boolean> {
    let more = false;
    for (const effect of effects) more = (await this.effects.perform(tx, row, effect, at)) || more;
    return more;
  }

  /** A class of boards on which the release fails again and again is not offered it any more, by this rollout or a later one. */
  private async quarantine(tx: EntityManager, row: RolloutRow, seen: Observation, at: Date): Promise<Observation> {
    if (row.state.phase !== 'running' || !seen.stages.some(({ counts }) => counts.waiting > 0)) return seen;
    const [worst] = quarantined(await this.targets.tallies(tx, row));
    if (!worst) return seen;
    const { variant, hardwareClass, failedArtifact, decided } = worst;
    const reason = `quarantined: ${variant} of ${row.plan.release} failed on ${failedArtifact} of ${decided} devices of ${hardwareClass}`;
    const kept = await this.targets.keepFrom(tx, row.id, [hardwareClass], reason);
    if (kept === 0) return seen;
    const message = `rollout ${row.name} keeps ${kept} devices from it, ${reason}`;
    await this.events.append(tx, { kind: 'rollout-quarantined', actor: 'flotilla', rollout: row.id, message, data: worst });
    return this.observer.again(tx, row, at);
  }
}

/** How far it is: a soak of no length is over at the next look, and a stage that has passed opens the next one. */
const placeOf = (state: RolloutState) =>
  `${state.phase} ${'stage' in state ? state.stage : ''} ${'stagePhase' in state ? state.stagePhase : ''}`;

function inWords({ name, plan }: RolloutRow, state: RolloutState): string {
  const stage = 'stage' in state ? `stage "${plan.stages[state.stage]?.name}"` : '';
  switch (state.phase) {
    case 'draft':
      return `rollout ${name} is a draft`;
    case 'running':
      return `rollout ${name}: ${stage} ${state.stagePhase}${state.held ? `; ${state.held.why}` : ''}`;
    case 'paused':
      return `rollout ${name} paused in ${stage} (${state.reason}): ${state.detail}`;
    case 'rolling-back':
      return `rollout ${name} is taken back from ${stage}: ${state.detail}`;
    case 'awaiting-approval':
      return `rollout ${name} waits: ${state.detail}`;
    case 'scheduled':
      return `rollout ${name} ${state.detail ?? `starts at ${new Date(state.startAt).toISOString()}`}`;
    case 'rolled-back':
    case 'rollback-incomplete':
    case 'rejected':
    case 'completed':
    case 'cancelled':
    case 'superseded':
    case 'killed':
      return `rollout ${name} ${state.phase}: ${state.detail}`;
  }
}
