import type { DeviceId, Digest, PlanGate, RolloutId, SlotName } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { isRelative, slowLimits, trusted, type Baseline } from '../core/baseline.js';
import { addEvidence } from '../core/evidence.js';
import { joined, left } from '../core/gather.js';
import type { RolloutEffect } from '../core/rollout.js';
import { gatesOf } from '../core/stage.js';
import { type Assigned, AssignmentsService, type AssignmentTerms } from '../fleet/assignments.service.js';
import { TelemetryService } from '../telemetry/telemetry.service.js';
import type { RolloutRow } from './rollout.entity.js';
import { EvidenceRepository, type EvidenceOf } from './evidence.repository.js';
import { TargetRepository, type Offer, type Waiting } from './target.repository.js';

type Offering = Extract<RolloutEffect, { type: 'offer-stage' }>;

/** Carries out what the machine decided, in the transaction that stores the decision. */
@Injectable()
export class RolloutEffects {
  constructor(
    @Inject(TargetRepository) private readonly targets: TargetRepository,
    @Inject(AssignmentsService) private readonly assignments: AssignmentsService,
    @Inject(TelemetryService) private readonly telemetry: TelemetryService,
    @Inject(EvidenceRepository) private readonly evidence: EvidenceRepository,
  ) {}

  async perform(tx: EntityManager, rollout: RolloutRow, effect: RolloutEffect, at: Date): Promise<void> {
    switch (effect.type) {
      case 'offer-stage':
        return this.offer(tx, rollout, effect, at);
      case 'retry-failed':
        return this.targets.retry(tx, rollout.id, effect.upTo);
      case 'roll-back':
        return this.rollBack(tx, rollout);
    }
  }

  private async offer(tx: EntityManager, rollout: RolloutRow, { stage, most }: Offering, at: Date): Promise<void> {
    const waiting = await this.targets.waiting(tx, rollout, stage, most);
    const [already, needing] = partition(waiting, (d) => d.committed === rollout.digest && d.assigned === rollout.digest);
    await this.targets.setState(
      tx,
      rollout.id,
      already.map((d) => d.device),
      'already',
    );
    if (needing.length === 0) return;
    const gates = gatesOf(rollout.plan, stage);
    const baselines = await this.baselines(tx, rollout, gates, needing);
    const assigned = await this.assignments.assign(
      tx,
      needing.map(({ device }) => ({
        device,
        digest: rollout.digest as Digest,
        slow: slowLimits(gates, baselines.get(device)),
      })),
      termsOf(rollout),
    );
    await this.targets.leftOut(tx, rollout.id, refusedOf(assigned));
    const known = new Map(needing.map((d) => [d.device, d]));
    const offers = assigned.flatMap(({ device, deployment }): Offer[] =>
      deployment === null
        ? []
        : [{ device, deployment, previousDigest: previousOf(known.get(device)!, rollout), baseline: baselines.get(device) }],
    );
    await this.targets.offered(tx, rollout.id, offers, at);
    await this.evidence.add(tx, joinedBy(rollout.id, stage, gates, offers, known));
  }

  private async baselines(
    tx: EntityManager,
    { slot, plan }: RolloutRow,
    gates: readonly PlanGate[],
    devices: readonly Waiting[],
  ): Promise<Map<DeviceId, Baseline>> {
    const withIncumbent = devices.flatMap(({ device, committed }) =>
      committed === null ? [] : [{ device, digest: committed as Digest }],
    );
    const wall = gates.some((gate) => gate.metric.startsWith('wall.') && isRelative(gate));
    const seen = await this.telemetry.baselines(tx, { slot: slot as SlotName, devices: withIncumbent, wall });
    return new Map(
      [...seen].flatMap(([device, baseline]) => {
        const known = trusted(baseline, plan.evidence);
        return known ? [[device, known] as const] : [];
      }),
    );
  }

  /** Every device that holds the release goes back to its own previous one: those that committed, and those that gave it up themselves. */
  private async rollBack(tx: EntityManager, rollout: RolloutRow): Promise<void> {
    const held = await this.targets.held(tx, rollout.id, rollout.slot);
    const items = held.map(({ device, previousDigest }) => ({ device, digest: previousDigest as Digest | null }));
    const taken = { digest: rollout.digest as Digest, since: rollout.createdAt };
    const assigned = await this.assignments.takeBack(tx, taken, items, termsOf(rollout));
    await this.targets.returned(
      tx,
      rollout.id,
      assigned.filter(({ refused }) => !refused),
    );
    await this.targets.leftOut(tx, rollout.id, refusedOf(assigned));
  }
}

const refusedOf = (assigned: readonly Assigned[]) =>
  assigned.flatMap(({ device, refused }) => (refused ? [{ device, reason: refused.reason }] : []));

const termsOf = ({ id, slot, plan, state }: RolloutRow): AssignmentTerms => ({
  slot: slot as SlotName,
  owner: `rollout:${id}`,
  probation: plan.probation,
  ...(state.submitted && { actor: state.submitted.author }),
});

function joinedBy(
  rollout: RolloutId,
  stage: number,
  gates: readonly PlanGate[],
  offers: readonly Offer[],
  known: ReadonlyMap<DeviceId, Waiting>,
): EvidenceOf[] {
  const sums = new Map<string, EvidenceOf>();
  for (const { device, baseline } of offers) {
    const { hardwareClass, again, baseline: before } = known.get(device)!;
    const witness = { hardwareClass, kept: undefined };
    const gone = again ? left(gates, { ...witness, baseline: before ?? undefined }) : [];
    for (const { gate, stratum, evidence } of [...gone, ...joined(gates, { ...witness, baseline })]) {
      const sum = sums.get(`${gate} ${stratum}`);
      sums.set(`${gate} ${stratum}`, {
        rollout,
        stage,
        gate,
        stratum,
        evidence: sum ? addEvidence(sum.evidence, evidence) : evidence,
      });
    }
  }
  return [...sums.values()];
}

/** Where a roll back leads: never to the release that is taken back, though the device still runs it on its way to another. */
const previousOf = ({ committed, assigned }: Waiting, { digest }: RolloutRow) => (committed === digest ? assigned : committed);

const partition = <T>(items: readonly T[], test: (item: T) => boolean): [T[], T[]] => [
  items.filter(test),
  items.filter((item) => !test(item)),
];
