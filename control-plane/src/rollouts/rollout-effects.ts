import type { Digest, SlotName } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { slowLimits } from '../core/baseline.js';
import type { RolloutEffect } from '../core/rollout.js';
import { gatesOf } from '../core/stage.js';
import { type Assigned, AssignmentsService, type AssignmentTerms } from '../fleet/assignments.service.js';
import { ReleasesService } from '../models/releases.service.js';
import { OfferEvidence } from './offer-evidence.js';
import { RolloutPace } from './rollout-pace.js';
import type { RolloutRow } from './rollout.entity.js';
import { ReturnRepository, type Held } from './return.repository.js';
import { TargetRepository, type Offer, type Waiting } from './target.repository.js';

type RollingBack = Extract<RolloutEffect, { type: 'roll-back' }>;
type Withdrawing = Extract<RolloutEffect, { type: 'withdraw' }>;
type Offering = Extract<RolloutEffect, { type: 'offer-stage' }>;

/** However large a stage: its first devices are told while the next are offered, and memory and locks are those of so many. */
const offersAtOnce = 1000;
/** Likewise on the way back: what is not told yet is still held, and the next look finds it. */
const returnsAtOnce = 1000;

/** Carries out what the machine decided, in the transaction that stores the decision. */
@Injectable()
export class RolloutEffects {
  constructor(
    @Inject(TargetRepository) private readonly targets: TargetRepository,
    @Inject(AssignmentsService) private readonly assignments: AssignmentsService,
    @Inject(OfferEvidence) private readonly evidence: OfferEvidence,
    @Inject(RolloutPace) private readonly pace: RolloutPace,
    @Inject(ReturnRepository) private readonly returning: ReturnRepository,
    @Inject(ReleasesService) private readonly releases: ReleasesService,
  ) {}

  /** True: there was more than is done at once, and the next look goes on with it. */
  async perform(tx: EntityManager, rollout: RolloutRow, effect: RolloutEffect, at: Date): Promise<boolean> {
    if (effect.type === 'offer-stage') return this.offer(tx, rollout, effect, at);
    if (effect.type === 'roll-back') return this.rollBack(tx, rollout, effect, at);
    if (effect.type === 'withdraw') return this.withdraw(tx, rollout, at);
    await this.change(tx, rollout, effect, at);
    return false;
  }

  private async change(
    tx: EntityManager,
    rollout: RolloutRow,
    effect: Exclude<RolloutEffect, Offering | RollingBack | Withdrawing>,
    at: Date,
  ): Promise<void> {
    switch (effect.type) {
      case 'hold':
      case 'let-go':
        return this.pace.retime(tx, rollout, effect.type, at);
      case 'retry-failed':
        return this.targets.retry(tx, rollout.id, effect.upTo);
    }
  }

  private async offer(tx: EntityManager, rollout: RolloutRow, effect: Offering, at: Date): Promise<boolean> {
    const most = Math.min(effect.most ?? Infinity, offersAtOnce);
    const choice = await this.pace.choice(tx, rollout, { ...effect, most }, at);
    if (!choice) return false;
    const chosen = await this.targets.waiting(tx, rollout, effect.stage, choice);
    await this.offerTo(tx, rollout, effect.stage, await this.pace.claim(tx, rollout, chosen), at);
    return chosen.length === offersAtOnce;
  }

  private async offerTo(
    tx: EntityManager,
    rollout: RolloutRow,
    stage: number,
    waiting: readonly Waiting[],
    at: Date,
  ): Promise<void> {
    const [already, needing] = partition(waiting, (d) => d.committed === rollout.digest && d.assigned === rollout.digest);
    const devices = already.map((d) => d.device);
    await this.targets.setState(tx, rollout.id, devices, 'already');
    await this.pace.takeOver(tx, rollout, devices);
    if (needing.length === 0) return;
    const gates = gatesOf(rollout.plan, stage);
    const baselines = await this.evidence.baselines(tx, rollout, gates, needing);
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
    await this.pace.offered(tx, rollout, offers, at);
    await this.evidence.join(tx, { rollout: rollout.id, stage, gates }, offers, known);
  }

  /** Every device that holds the release goes back to its own previous one: those that committed, and those that gave it up themselves. */
  private async rollBack(tx: EntityManager, rollout: RolloutRow, { most, to }: RollingBack, at: Date): Promise<boolean> {
    const held = await this.returning.held(tx, rollout, Math.min(most ?? Infinity, returnsAtOnce));
    const digest = to === undefined ? undefined : (await this.releases.byName(to)).digest;
    const back = digest === undefined ? held : held.map((its) => ({ ...its, previousDigest: digest }));
    await this.giveBack(tx, rollout, back, at);
    return held.length === returnsAtOnce;
  }

  private async withdraw(tx: EntityManager, rollout: RolloutRow, at: Date): Promise<boolean> {
    const held = await this.returning.notBegun(tx, rollout, returnsAtOnce);
    await this.giveBack(tx, rollout, held, at);
    return held.length === returnsAtOnce;
  }

  private async giveBack(tx: EntityManager, rollout: RolloutRow, held: readonly Held[], at: Date): Promise<void> {
    const items = held.map(({ device, previousDigest }) => ({ device, digest: previousDigest as Digest | null }));
    const taken = { digest: rollout.digest as Digest, since: rollout.createdAt };
    const assigned = await this.assignments.takeBack(tx, taken, items, termsOf(rollout));
    await this.returning.returned(
      tx,
      rollout.id,
      assigned.filter(({ refused }) => !refused),
      at,
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

/** Where a roll back leads: never to the release that is taken back, though the device still runs it on its way to another. */
const previousOf = ({ committed, assigned }: Waiting, { digest }: RolloutRow) => (committed === digest ? assigned : committed);

const partition = <T>(items: readonly T[], test: (item: T) => boolean): [T[], T[]] => [
  items.filter(test),
  items.filter((item) => !test(item)),
];
