import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { Observation } from '../core/rollout.js';
import { isLate } from '../core/stage.js';
import { EventsService } from '../events/events.service.js';
import { EvidenceRepository } from './evidence.repository.js';
import { RolloutPace } from './rollout-pace.js';
import type { RolloutRow } from './rollout.entity.js';
import { ReturnRepository } from './return.repository.js';
import { TargetRepository } from './target.repository.js';

/** What the machine is shown: silence is swept first, then everything is counted as it is committed at this moment. */
@Injectable()
export class RolloutObserver {
  constructor(
    @Inject(TargetRepository) private readonly targets: TargetRepository,
    @Inject(EvidenceRepository) private readonly evidence: EvidenceRepository,
    @Inject(RolloutPace) private readonly pace: RolloutPace,
    @Inject(ReturnRepository) private readonly returning: ReturnRepository,
    @Inject(EventsService) private readonly events: EventsService,
  ) {}

  async look(tx: EntityManager, row: RolloutRow, at: Date): Promise<Observation> {
    await this.pace.renew(tx, row, at);
    // What is silent for too long may still hold what it was offered, for as long as a pause lasted.
    if (!isWithdrawing(row)) await this.sweep(tx, row, at);
    await this.evidence.fold(tx, row.id);
    await this.targets.fold(tx, row.id);
    return this.again(tx, row, at);
  }

  async again(tx: EntityManager, row: RolloutRow, at: Date): Promise<Observation> {
    const counted = await this.targets.observe(tx, row);
    const seen = { ...counted, ...(await this.pace.observe(tx, row, counted.stages, at)) };
    if (isWithdrawing(row)) return { ...seen, unwithdrawn: await this.returning.anyNotBegun(tx, row) };
    if (!isTakenBack(row)) return seen;
    const toldAfter = new Date(at.getTime() - row.plan.success.deviceDeadline * 1000);
    return { ...seen, returns: await this.returning.returns(tx, row, toldAfter) };
  }

  private async sweep(tx: EntityManager, row: RolloutRow, at: Date): Promise<void> {
    const { plan, state } = row;
    const running = state.phase === 'running';
    const passedBy = await this.targets.sweep(tx, row.id, {
      offeredBefore: new Date(at.getTime() - plan.success.deviceDeadline * 1000),
      deferOffline: running && isLate(plan, state, at.getTime()),
      stage: running ? state.stage : -1,
    });
    if (passedBy.length === 0) return;
    const message = `rollout ${row.name} passes by ${passedBy.slice(0, 10).join(', ')}${passedBy.length > 10 ? ' …' : ''}: in maintenance`;
    const data = { devices: passedBy.slice(0, 1000) };
    await this.events.append(tx, { kind: 'rollout-passed-by', actor: 'flotilla', rollout: row.id, message, data });
  }
}

const isWithdrawing = ({ state }: RolloutRow) => 'withdrawing' in state;
const isTakenBack = ({ state }: RolloutRow) => state.phase === 'rolling-back' || state.phase === 'rollback-incomplete';
