import type { DeviceId, Digest, SlotName } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { RolloutEffect } from '../core/rollout.js';
import { AssignmentsService } from '../fleet/assignments.service.js';
import { TelemetryService } from '../telemetry/telemetry.service.js';
import type { RolloutRow } from './rollout.entity.js';
import { TargetRepository, type Offer } from './target.repository.js';

/** Carries out what the machine decided, in the transaction that stores the decision. */
@Injectable()
export class RolloutEffects {
  constructor(
    @Inject(TargetRepository) private readonly targets: TargetRepository,
    @Inject(AssignmentsService) private readonly assignments: AssignmentsService,
    @Inject(TelemetryService) private readonly telemetry: TelemetryService,
  ) {}

  async perform(tx: EntityManager, rollout: RolloutRow, effect: RolloutEffect, at: Date): Promise<void> {
    switch (effect.type) {
      case 'offer-stage':
        return this.offer(tx, rollout, effect.stage, at);
      case 'roll-back':
        return this.rollBack(tx, rollout);
    }
  }

  private async offer(tx: EntityManager, rollout: RolloutRow, stage: number, at: Date): Promise<void> {
    const waiting = await this.targets.waiting(tx, rollout.id, stage, rollout.slot);
    const [already, needing] = partition(waiting, (d) => d.committed === rollout.digest && d.assigned === rollout.digest);
    await this.targets.setState(
      tx,
      rollout.id,
      already.map((d) => d.device),
      'already',
    );
    const baselines = await this.baselines(tx, rollout, needing);
    const owner = { slot: rollout.slot as SlotName, owner: `rollout:${rollout.id}`, probation: rollout.plan.probation };
    const assigned = await this.assignments.assign(
      tx,
      needing.map(({ device }) => ({ device, digest: rollout.digest as Digest })),
      owner,
    );
    const committed = new Map(needing.map((d) => [d.device, d.committed]));
    const offers = assigned.flatMap(({ device, deployment }): Offer[] =>
      deployment === null
        ? []
        : [{ device, deployment, previousDigest: committed.get(device) ?? null, baselineUs: baselines.get(device) ?? null }],
    );
    await this.targets.offered(tx, rollout.id, offers, at);
  }

  private baselines(tx: EntityManager, rollout: RolloutRow, devices: readonly { device: DeviceId; committed: string | null }[]) {
    const withIncumbent = devices.flatMap(({ device, committed }) =>
      committed === null ? [] : [{ device, digest: committed as Digest }],
    );
    return this.telemetry.baseline(tx, { slot: rollout.slot as SlotName, devices: withIncumbent });
  }

  /** Every device that holds the release goes back to its own previous one: those that committed, and those that gave it up themselves. */
  private async rollBack(tx: EntityManager, rollout: RolloutRow): Promise<void> {
    const held = await this.targets.held(tx, rollout.id, rollout.slot);
    const items = held.map(({ device, previousDigest }) => ({ device, digest: previousDigest as Digest | null }));
    const assigned = await this.assignments.assign(tx, items, {
      slot: rollout.slot as SlotName,
      owner: `rollout:${rollout.id}`,
      probation: rollout.plan.probation,
    });
    await this.targets.returned(tx, rollout.id, assigned);
  }
}

const partition = <T>(items: readonly T[], test: (item: T) => boolean): [T[], T[]] => [
  items.filter(test),
  items.filter((item) => !test(item)),
];
