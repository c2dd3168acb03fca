import type { DeviceId, RolloutId, StageCounts } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { noCounts } from '../core/counts.js';
import type { Baseline } from '../core/baseline.js';
import type { Strata } from '../core/gate.js';
import { leastDevices, type VariantTally } from '../core/quarantine.js';
import type { Observation } from '../core/rollout.js';
import { gatesOf } from '../core/stage.js';
import { inMaintenance } from '../fleet/maintenance.js';
import { CheckRepository } from './check.repository.js';
import { CountRepository, type StateCount } from './count.repository.js';
import { EvidenceRepository, type EvidenceOf } from './evidence.repository.js';
import { inGroups } from './pace.repository.js';
import type { RolloutRow, TargetState } from './rollout.entity.js';

export type Offer = { device: DeviceId; deployment: string; previousDigest: string | null; baseline: Baseline | undefined };
export type Waiting = {
  device: DeviceId;
  hardwareClass: string;
  committed: string | null;
  assigned: string | null;
  /** Offered before, and is to try again. */
  again: boolean;
  baseline: Baseline | null;
};

/** Which of those that wait: not more than so many, and of each value of the plan's label not more than so many; not those of some groups. */
export type Choice = Readonly<{
  most?: number | undefined;
  each?: Readonly<Record<string, number>> | undefined;
  notIn?: readonly string[];
}>;

const countOf: Record<Exclude<TargetState, 'left-out'>, keyof StageCounts> = {
  waiting: 'waiting',
  open: 'open',
  already: 'already',
  committed: 'committed',
  unproven: 'unproven',
  'failed-artifact': 'failedArtifact',
  'failed-place': 'failedPlace',
  'timed-out': 'timedOut',
  rejected: 'rejected',
  deferred: 'deferred',
  'rolling-back': 'rolledBack',
  'rolled-back': 'rolledBack',
  'return-failed': 'rolledBack',
  superseded: 'superseded',
};
/** Told to go back, and not known to have. */
const unconfirmed = new Set<TargetState>(['rolling-back', 'return-failed']);

/** The devices of rollouts: rows moved in sets, never one by one. */
@Injectable()
export class TargetRepository {
  constructor(
    @Inject(EvidenceRepository) private readonly evidence: EvidenceRepository,
    @Inject(CheckRepository) private readonly checks: CheckRepository,
    @Inject(CountRepository) private readonly counts: CountRepository,
  ) {}

  /** Counts and evidence of each stage, as committed at this moment. */
  async observe(tx: EntityManager, { id, plan, alarms }: Pick<RolloutRow, 'id' | 'plan' | 'alarms'>): Promise<Observation> {
    const rows = await this.counts.of(tx, id);
    const evidence = await this.evidence.of(tx, id);
    const answers = plan.checks ? { answers: await this.checks.of(id, tx) } : {};
    return {
      stages: plan.stages.map((_, stage) => ({
        counts: countsOf(rows.filter((row) => row.stage === stage)),
        gates: gatesOf(plan, stage).map((__, gate) => strataOf(evidence.filter((e) => e.stage === stage && e.gate === gate))),
      })),
      rollingBack: rows.filter(({ state }) => unconfirmed.has(state)).reduce((sum, row) => sum + row.n, 0),
      alarms,
      ...answers,
    };
  }

  fold(tx: EntityManager, rollout: RolloutId): Promise<void> {
    return this.counts.fold(tx, rollout);
  }

  /** Devices of a stage that are still to be offered the release, with what each ran before (its last committed digest). */
  async waiting(
    tx: EntityManager,
    { id, slot }: Pick<RolloutRow, 'id' | 'slot'>,
    stage: number,
    { most, each, notIn = [] }: Choice,
  ): Promise<Waiting[]> {
    const free = `FROM rollout_target t JOIN device d ON d.id = t.device
         WHERE t.rollout = $1 AND t.stage = $2 AND t.state = 'waiting' AND NOT ${inMaintenance('d')} ${notIn.length > 0 ? `AND NOT ${inGroups('$5')}` : 'AND $5::text[] IS NOT NULL'}`;
    // Of each value of the label no more is read than may go.
    const chosen = each
      ? `SELECT c.device FROM jsonb_each_text($6::jsonb) room(value, n), LATERAL (SELECT t.device, row_number() OVER (ORDER BY t.device) nth
           ${free} AND t.label = room.value ORDER BY t.device LIMIT room.n::int) c ORDER BY c.nth, c.device LIMIT $4`
      : `SELECT t.device ${free} AND $6::jsonb IS NULL ORDER BY t.device LIMIT $4`;
    return tx.query(
      `SELECT t.device, t.hardware_class "hardwareClass", s.committed, a.digest assigned,
              t.deployment IS NOT NULL "again", t.baseline
       FROM rollout_target t
       LEFT JOIN slot_report s ON s.device = t.device AND s.slot = $3
       LEFT JOIN assignment a ON a.device = t.device AND a.slot = $3
       WHERE t.rollout = $1 AND t.device IN (${chosen}) ORDER BY t.device FOR UPDATE OF t`,
      [id, stage, slot, most ?? null, notIn, each ? JSON.stringify(each) : null],
    );
  }

  async offered(tx: EntityManager, rollout: RolloutId, offers: readonly Offer[], at: Date): Promise<void> {
    await tx.query(
      `UPDATE rollout_target t SET state = 'open', deployment = o.deployment, previous_digest = o.previous, baseline = o.baseline::jsonb,
         kept = NULL, failure = NULL, reason = NULL, offered_at = $6
       FROM unnest($2::text[], $3::uuid[], $4::text[], $5::text[]) o(device, deployment, previous, baseline)
       WHERE t.rollout = $1 AND t.device = o.device`,
      [
        rollout,
        offers.map((o) => o.device),
        offers.map((o) => o.deployment),
        offers.map((o) => o.previousDigest),
        offers.map((o) => (o.baseline ? JSON.stringify(o.baseline) : null)),
        at,
      ],
    );
  }

  /** Devices of the stages so far that did not get the release, for whatever reason, wait for it again. */
  async retry(tx: EntityManager, rollout: RolloutId, upTo: number): Promise<void> {
    await tx.query(
      `UPDATE rollout_target SET state = 'waiting', failure = NULL, reason = NULL
       WHERE rollout = $1 AND stage <= $2 AND state IN ('failed-artifact', 'failed-place', 'timed-out', 'rejected', 'deferred')`,
      [rollout, upTo],
    );
  }

  async setState(tx: EntityManager, rollout: RolloutId, devices: readonly DeviceId[], state: TargetState): Promise<void> {
    await tx.query(`UPDATE rollout_target SET state = $3 WHERE rollout = $1 AND device = ANY($2)`, [rollout, devices, state]);
  }

  async leftOut(tx: EntityManager, rollout: RolloutId, items: readonly { device: DeviceId; reason: string }[]): Promise<void> {
    if (items.length === 0) return;
    await tx.query(
      `UPDATE rollout_target t SET state = 'left-out', reason = o.reason FROM unnest($2::text[], $3::text[]) o(device, reason)
       WHERE t.rollout = $1 AND t.device = o.device`,
      [rollout, items.map((i) => i.device), items.map((i) => i.reason)],
    );
  }

  /** How devices fared with a release by variant and hardware class, over all rollouts of it; nothing while one at most has failed. */
  async tallies(tx: EntityManager, { digest, slot }: Pick<RolloutRow, 'digest' | 'slot'>): Promise<VariantTally[]> {
    if ((await this.counts.failed(tx, { digest, slot })) < leastDevices) return [];
    return tx.query(
      `SELECT coalesce(s.variant, '') variant, t.hardware_class "hardwareClass", count(*)::int decided,
              (count(*) FILTER (WHERE t.state = 'failed-artifact'))::int "failedArtifact"
       FROM rollout_target t JOIN rollout r ON r.id = t.rollout
       LEFT JOIN slot_report s ON s.device = t.device AND s.slot = r.slot AND s.deployment = t.deployment
       WHERE r.digest = $1 AND r.slot = $2 AND t.state IN ('committed', 'failed-artifact') GROUP BY 1, 2`,
      [digest, slot],
    );
  }

  /** Devices of these classes that still wait; the sum says how many there were. */
  async keepFrom(tx: EntityManager, rollout: RolloutId, classes: readonly string[], reason: string): Promise<number> {
    const [, kept] = await tx.query<[unknown, number]>(
      `UPDATE rollout_target SET state = 'rejected', reason = $3 WHERE rollout = $1 AND state = 'waiting' AND hardware_class = ANY($2)`,
      [rollout, classes, reason],
    );
    return kept;
  }

  /** Silence has deadlines: an online device that says nothing is timed out; at the stage's end an offline one is deferred; a removed one is gone; one in maintenance that was not offered anything is passed by. */
  async sweep(
    tx: EntityManager,
    rollout: RolloutId,
    limits: { offeredBefore: Date; deferOffline: boolean; stage: number },
  ): Promise<DeviceId[]> {
    await tx.query(
      `DELETE FROM rollout_target t USING device d WHERE d.id = t.device AND d.status <> 'active'
       AND t.rollout = $1 AND t.state IN ('waiting', 'open', 'rolling-back')`,
      [rollout],
    );
    const [passedBy] = await tx.query<[{ device: DeviceId }[]]>(
      `DELETE FROM rollout_target t USING device d
       WHERE d.id = t.device AND t.rollout = $1 AND t.stage = $2 AND t.state = 'waiting' AND ${inMaintenance('d')} RETURNING t.device`,
      [rollout, limits.stage],
    );
    await tx.query(
      `UPDATE rollout_target t SET state = 'timed-out', failure = 'timed-out', reason = 'no report before the device deadline' FROM device d
       WHERE d.id = t.device AND t.rollout = $1 AND t.state = 'open' AND t.offered_at < $2 AND d.online AND NOT ${inMaintenance('d')}
         AND NOT EXISTS (SELECT 1 FROM activation x WHERE x.device = t.device AND x.deployment = t.deployment AND (x.hold OR x.after > $2))`,
      [rollout, limits.offeredBefore],
    );
    if (limits.deferOffline) await this.deferAbsent(tx, rollout, 'at the stage deadline', limits.stage);
    return passedBy.map(({ device }) => device);
  }

  /** Of one stage, or of all: who is away is waited for no longer, and caught up with later. */
  async deferAbsent(tx: EntityManager, rollout: RolloutId, when: string, stage?: number): Promise<void> {
    await tx.query(
      `UPDATE rollout_target t SET state = 'deferred', reason = CASE WHEN d.online THEN 'in maintenance ' ELSE 'offline ' END || $3
       FROM device d WHERE d.id = t.device AND t.rollout = $1 AND ($2::int IS NULL OR t.stage = $2) AND t.state = 'open'
         AND (NOT d.online OR ${inMaintenance('d')})`,
      [rollout, stage ?? null, when],
    );
  }
}

function countsOf(rows: readonly StateCount[]): StageCounts {
  const counts: StageCounts = { ...noCounts, superseded: 0 };
  for (const { state, n } of rows) if (state !== 'left-out') counts[countOf[state]] = (counts[countOf[state]] ?? 0) + n;
  return counts;
}

const strataOf = (evidence: readonly EvidenceOf[]): Strata => Object.fromEntries(evidence.map((e) => [e.stratum, e.evidence]));
