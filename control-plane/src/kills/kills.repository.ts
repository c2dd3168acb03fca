import type { BlockId, DeviceId, Digest, KillTargetState } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import { type Forbidden, lastGoodSql } from '../blocks/blocks.repository.js';
import type { ControlPlaneConfig } from '../config.js';
import { priorities } from '../core/assignment.js';
import { AssignmentsService } from '../fleet/assignments.service.js';
import { CLOCK, type Clock, CONFIG } from '../platform/tokens.js';

type Taking = { block: BlockId; digests: readonly Digest[]; actor: string; reason: string };
export type Tally = { block: string; state: KillTargetState; stopped: boolean; n: string; unheard: string };
export type Target = {
  device: string;
  slot: string;
  state: KillTargetState;
  digest: string;
  good: string | null;
  online: boolean;
  lastSeenAt: Date | null;
  unheard: boolean;
  reason: string | null;
};

/** Silent for so many heartbeats, a device is not reached, whoever has not noticed yet: nobody does who has just begun to listen. */
const silentHeartbeats = 3.5;

const isThere = (heartbeatS: number) => `(d.online AND d.last_seen_at > now() - interval '${silentHeartbeats * heartbeatS} s')`;

/** Confirmed by what the slot reports, under the deployment that it has now: what it said under an earlier one is no answer. */
const stateSql = (there: string) => `CASE
  WHEN a.device IS NOT NULL AND s.deployment = a.deployment AND s.state IN ('committed', 'committed-unproven')
    AND NOT s.digest = ANY(b.digests) THEN 'confirmed'
  WHEN a.device IS NULL AND (s.state = 'idle' OR (s.device IS NULL AND d.reported_epoch = d.epoch)) THEN 'confirmed'
  WHEN a.device IS NOT NULL AND s.deployment = a.deployment AND s.state IN ('failed', 'rolled-back', 'rejected') THEN 'failed'
  WHEN ${there} THEN 'pending' ELSE 'unreached' END`;
const standing = `kill_target t JOIN block b ON b.id = t.block JOIN device d ON d.id = t.device AND d.status = 'active'
  LEFT JOIN assignment a ON a.device = t.device AND a.slot = t.slot
  LEFT JOIN slot_report s ON s.device = t.device AND s.slot = t.slot`;

/** Sets, not rows: a hundred thousand slots in a few statements. */
@Injectable()
export class KillsRepository {
  private readonly state: string;
  private readonly there: string;
  /** What was heard before was so before this process could miss a goodbye. */
  private readonly startedAt: Date;

  constructor(
    @Inject(DataSource) private readonly db: DataSource,
    @Inject(AssignmentsService) private readonly assignments: AssignmentsService,
    @Inject(CONFIG) { device }: Pick<ControlPlaneConfig, 'device'>,
    @Inject(CLOCK) clock: Clock,
  ) {
    this.startedAt = clock.now();
    this.there = isThere(device.heartbeatS);
    this.state = stateSql(this.there);
  }

  /** Devices that run a release, should run it, or have run it and could go back to it by themselves; locked in id order. `members`: only among these. */
  async lock(tx: EntityManager, digests: readonly Digest[], members: readonly DeviceId[] | undefined): Promise<DeviceId[]> {
    const rows = await tx.query<{ id: DeviceId }[]>(
      `SELECT d.id FROM device d
       WHERE d.status = 'active' AND ($2::text[] IS NULL OR d.id = ANY($2)) AND d.id IN (
         SELECT device FROM assignment WHERE digest = ANY($1::text[])
         UNION SELECT device FROM slot_report WHERE digest = ANY($1) OR committed = ANY($1)
         UNION SELECT device FROM slot_commit WHERE digest = ANY($1))
       ORDER BY d.id FOR UPDATE`,
      [digests, members ?? null],
    );
    return rows.map(({ id }) => id);
  }

  /**
   * Every slot of these devices that runs one of the releases or should; with where it goes back to, where its assignment has to go: also
   * one to another release that has failed, or that would take over at a later time only.
   */
  async take(tx: EntityManager, devices: readonly DeviceId[], { block, digests }: Taking, forbidden: Forbidden): Promise<void> {
    await tx.query(
      `INSERT INTO kill_target (block, device, slot, digest, good, before, deployment)
       SELECT $1, x.device, x.slot, x.digest, good.digest, x.before, CASE WHEN good.digest IS NULL THEN NULL ELSE gen_random_uuid() END
       FROM (
         SELECT device, slot, CASE WHEN a.digest = ANY($2) THEN a.digest WHEN s.committed = ANY($2) THEN s.committed ELSE s.digest END digest,
                CASE WHEN a.digest = ANY($2) OR (s.deployment = a.deployment AND s.state IN ('failed', 'rolled-back', 'rejected'))
                       OR EXISTS (SELECT 1 FROM activation w WHERE w.device = a.device AND w.slot = a.slot AND w.deployment = a.deployment)
                     THEN a.deployment END before
         FROM assignment a FULL JOIN slot_report s USING (device, slot)
         WHERE a.digest = ANY($2::text[]) OR s.committed = ANY($2) OR s.digest = ANY($2)
       ) x
       JOIN unnest($3::text[]) known(device) ON known.device = x.device
       LEFT JOIN LATERAL (${lastGoodSql('x', ['$4', '$5', '$6'])}) good ON x.before IS NOT NULL
       ON CONFLICT (block, device, slot) DO UPDATE SET digest = excluded.digest, good = excluded.good, before = excluded.before,
         deployment = excluded.deployment WHERE excluded.before IS NOT NULL`,
      [block, digests, devices, forbidden.everywhere, forbidden.digests, forbidden.devices],
    );
  }

  /** The new assignments: the last good release, or none. */
  async reassign(tx: EntityManager, { block, actor, reason }: Taking): Promise<void> {
    await tx.query(
      `UPDATE assignment a SET deployment = t.deployment, digest = t.good, owner = 'kill:' || t.block, priority = $2, slow = '{}',
         assigned_at = now(), actor = $3, reason = $4
       FROM kill_target t WHERE t.block = $1 AND t.good IS NOT NULL AND a.device = t.device AND a.slot = t.slot
         AND a.deployment = t.before`,
      [block, priorities.kill, actor, reason],
    );
    await tx.query(
      `DELETE FROM assignment a USING kill_target t
       WHERE t.block = $1 AND t.good IS NULL AND a.device = t.device AND a.slot = t.slot AND a.deployment = t.before`,
      [block],
    );
  }

  tell(tx: EntityManager, devices: readonly DeviceId[]): Promise<void> {
    return this.assignments.tell(tx, devices);
  }

  tallies(blocks: readonly string[]): Promise<Tally[]> {
    return this.db.query(
      `SELECT t.block, ${this.state} state, t.before IS NOT NULL AND t.good IS NULL stopped, count(*) n,
              count(*) FILTER (WHERE d.last_seen_at < $2) unheard FROM ${standing}
       WHERE t.block = ANY($1::uuid[]) GROUP BY 1, 2, 3`,
      [blocks, this.startedAt],
    );
  }

  /** By device and slot, from the one after `after` on. */
  targets(
    block: BlockId,
    query: { state?: KillTargetState | undefined; limit: number; after?: readonly [string, string] | undefined },
  ): Promise<Target[]> {
    const [device, slot] = query.after ?? ['', ''];
    return this.db.query(
      `SELECT *, state = 'pending' AND "lastSeenAt" < $6 unheard FROM (
         SELECT t.device, t.slot, ${this.state} state, t.digest, coalesce(${this.there}, false) online, d.last_seen_at "lastSeenAt",
                coalesce(t.good, CASE WHEN t.before IS NULL THEN a.digest END) good,
                CASE WHEN s.deployment = a.deployment THEN s.reason END reason
         FROM ${standing} WHERE t.block = $1 AND (t.device, t.slot) > ($2, $3)) t
       WHERE $4::text IS NULL OR t.state = $4 ORDER BY t.device, t.slot LIMIT $5`,
      [block, device, slot, query.state ?? null, query.limit, this.startedAt],
    );
  }
}
