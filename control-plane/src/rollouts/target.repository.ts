import type { DeviceId, RolloutId, StageCounts } from '@flotilla/protocol';
import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { noCounts } from '../core/counts.js';
import { noEvidence, type Evidence } from '../core/gate.js';
import type { Observation } from '../core/rollout.js';
import type { TargetState } from './rollout.entity.js';

export type Offer = { device: DeviceId; deployment: string; previousDigest: string | null; baselineUs: number | null };

const countOf: Record<TargetState, keyof StageCounts> = {
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
};
type Sums = { stage: number; state: TargetState; n: string } & Record<
  'ok' | 'errors' | 'cpu' | 'paired_n' | 'paired_ok' | 'paired_cpu' | 'paired_expected',
  string
>;

/** The devices of rollouts: rows moved in sets, never one by one. */
@Injectable()
export class TargetRepository {
  /** Counts and evidence of each stage, as committed at this moment. */
  async observe(tx: EntityManager, rollout: RolloutId, stages: number): Promise<Observation> {
    const rows = await tx.query<Sums[]>(
      `SELECT stage, state, count(*) n, sum(inferences) ok, sum(errors) errors, sum(compute_cpu_us) cpu,
              count(*) FILTER (WHERE baseline_us IS NOT NULL) paired_n,
              coalesce(sum(inferences) FILTER (WHERE baseline_us IS NOT NULL), 0) paired_ok,
              coalesce(sum(compute_cpu_us) FILTER (WHERE baseline_us IS NOT NULL), 0) paired_cpu,
              coalesce(sum(inferences * baseline_us), 0) paired_expected
       FROM rollout_target WHERE rollout = $1 GROUP BY stage, state`,
      [rollout],
    );
    return {
      stages: Array.from({ length: stages }, (_, stage) => summary(rows.filter((row) => row.stage === stage))),
      rollingBack: rows.filter((row) => row.state === 'rolling-back').reduce((sum, row) => sum + Number(row.n), 0),
    };
  }

  /** Devices of a stage that are still to be offered the release, with what each ran before (its last committed digest). */
  async waiting(
    tx: EntityManager,
    rollout: RolloutId,
    stage: number,
    slot: string,
  ): Promise<{ device: DeviceId; committed: string | null; assigned: string | null }[]> {
    return tx.query(
      `SELECT t.device, s.committed, a.digest assigned FROM rollout_target t
       LEFT JOIN slot_report s ON s.device = t.device AND s.slot = $3
       LEFT JOIN assignment a ON a.device = t.device AND a.slot = $3
       WHERE t.rollout = $1 AND t.stage = $2 AND t.state = 'waiting' ORDER BY t.device FOR UPDATE OF t`,
      [rollout, stage, slot],
    );
  }

  async offered(tx: EntityManager, rollout: RolloutId, offers: readonly Offer[], at: Date): Promise<void> {
    await tx.query(
      `UPDATE rollout_target t SET state = 'open', deployment = o.deployment, previous_digest = o.previous, baseline_us = o.baseline, offered_at = $6
       FROM unnest($2::text[], $3::uuid[], $4::text[], $5::float8[]) o(device, deployment, previous, baseline)
       WHERE t.rollout = $1 AND t.device = o.device`,
      [
        rollout,
        offers.map((o) => o.device),
        offers.map((o) => o.deployment),
        offers.map((o) => o.previousDigest),
        offers.map((o) => o.baselineUs),
        at,
      ],
    );
  }

  async setState(tx: EntityManager, rollout: RolloutId, devices: readonly DeviceId[], state: TargetState): Promise<void> {
    await tx.query(`UPDATE rollout_target SET state = $3 WHERE rollout = $1 AND device = ANY($2)`, [rollout, devices, state]);
  }

  /** Devices that still hold this rollout's deployment: a slot that somebody else has assigned since is left alone. */
  async held(
    tx: EntityManager,
    rollout: RolloutId,
    slot: string,
  ): Promise<{ device: DeviceId; previousDigest: string | null }[]> {
    return tx.query(
      `SELECT t.device, t.previous_digest "previousDigest" FROM rollout_target t
       JOIN assignment a ON a.device = t.device AND a.slot = $2 AND a.deployment = t.deployment
       WHERE t.rollout = $1 AND t.state NOT IN ('already', 'rolling-back', 'rolled-back') ORDER BY t.device FOR UPDATE OF t`,
      [rollout, slot],
    );
  }

  /** `deployment` null: the slot was empty before and is empty again, nothing is left to confirm. */
  async returned(
    tx: EntityManager,
    rollout: RolloutId,
    items: readonly { device: DeviceId; deployment: string | null }[],
  ): Promise<void> {
    await tx.query(
      `UPDATE rollout_target t SET deployment = o.deployment, state = CASE WHEN o.deployment IS NULL THEN 'rolled-back' ELSE 'rolling-back' END
       FROM unnest($2::text[], $3::uuid[]) o(device, deployment) WHERE t.rollout = $1 AND t.device = o.device`,
      [rollout, items.map((i) => i.device), items.map((i) => i.deployment)],
    );
  }

  /** Silence has deadlines: an online device that says nothing is timed out; at the stage's end an offline one is deferred; a removed one is gone. */
  async sweep(
    tx: EntityManager,
    rollout: RolloutId,
    limits: { offeredBefore: Date; deferOffline: boolean; stage: number },
  ): Promise<void> {
    await tx.query(
      `DELETE FROM rollout_target t WHERE t.rollout = $1 AND t.state IN ('waiting', 'open', 'rolling-back')
       AND NOT EXISTS (SELECT 1 FROM device d WHERE d.id = t.device AND d.status = 'active')`,
      [rollout],
    );
    await tx.query(
      `UPDATE rollout_target t SET state = 'timed-out', failure = 'timed-out', reason = 'no report before the device deadline' FROM device d
       WHERE d.id = t.device AND t.rollout = $1 AND t.state = 'open' AND t.offered_at < $2 AND d.online`,
      [rollout, limits.offeredBefore],
    );
    if (!limits.deferOffline) return;
    await tx.query(
      `UPDATE rollout_target t SET state = 'deferred', reason = 'offline at the stage deadline' FROM device d
       WHERE d.id = t.device AND t.rollout = $1 AND t.stage = $2 AND t.state = 'open' AND NOT d.online`,
      [rollout, limits.stage],
    );
  }
}

function summary(rows: readonly Sums[]): Observation['stages'][number] {
  const counts = { ...noCounts };
  for (const row of rows) counts[countOf[row.state]] += Number(row.n);
  return { counts, evidence: rows.map(evidenceOf).reduce(addEvidence, noEvidence) };
}

const evidenceOf = (row: Sums): Evidence => ({
  ok: Number(row.ok),
  errors: Number(row.errors),
  computeCpuUs: Number(row.cpu),
  // A device without an inference of the candidate has nothing to compare yet, but its baseline makes the gate applicable.
  paired: {
    devices: Number(row.paired_n),
    ok: Number(row.paired_ok),
    computeCpuUs: Number(row.paired_cpu),
    expectedCpuUs: Number(row.paired_expected),
  },
});
const addEvidence = (a: Evidence, b: Evidence): Evidence => ({
  ok: a.ok + b.ok,
  errors: a.errors + b.errors,
  computeCpuUs: a.computeCpuUs + b.computeCpuUs,
  paired: {
    devices: a.paired.devices + b.paired.devices,
    ok: a.paired.ok + b.paired.ok,
    computeCpuUs: a.paired.computeCpuUs + b.paired.computeCpuUs,
    expectedCpuUs: a.paired.expectedCpuUs + b.paired.expectedCpuUs,
  },
});
