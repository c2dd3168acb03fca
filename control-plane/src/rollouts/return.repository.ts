import type { DeviceId, RolloutId } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { Returns } from '../core/rollout-state.js';
import { CountRepository } from './count.repository.js';
import type { RolloutRow } from './rollout.entity.js';

export type Held = { device: DeviceId; previousDigest: string | null };

/** A slot that somebody else has assigned since is left alone. */
const stillHeld = `rollout_target t JOIN assignment a ON a.device = t.device AND a.slot = $2 AND a.deployment = t.deployment
       WHERE t.rollout = $1 AND t.deployment IS NOT NULL AND t.state = ANY('{waiting,open,committed,unproven,failed-artifact,failed-place,
         timed-out,rejected,deferred,superseded}')`;
const notBegun = `rollout_target t JOIN assignment a ON a.device = t.device AND a.slot = $2 AND a.deployment = t.deployment
       LEFT JOIN slot_report s ON s.device = t.device AND s.slot = $2 AND s.deployment = t.deployment
       WHERE t.rollout = $1 AND t.state = 'open' AND s.state IS DISTINCT FROM 'probation'`;
type Of = Pick<RolloutRow, 'id' | 'slot'>;
const ofReturns = ['rolling-back', 'return-failed', 'rolled-back'];

/** Devices on their way back: rows moved in sets, never one by one. */
@Injectable()
export class ReturnRepository {
  constructor(@Inject(CountRepository) private readonly counts: CountRepository) {}

  /** Devices that still hold this rollout's deployment; the first stages first, where not all are asked for. */
  held(tx: EntityManager, { id, slot }: Of, most?: number): Promise<Held[]> {
    return tx.query(
      `SELECT t.device, t.previous_digest "previousDigest" FROM ${stillHeld} ORDER BY t.stage, t.device LIMIT $3 FOR UPDATE OF t`,
      [id, slot, most ?? null],
    );
  }

  /** Of those, the ones that do not run it yet, for all that is known. */
  notBegun(tx: EntityManager, { id, slot }: Of, most: number): Promise<Held[]> {
    return tx.query(
      `SELECT t.device, t.previous_digest "previousDigest" FROM ${notBegun} ORDER BY t.stage, t.device LIMIT $3 FOR UPDATE OF t`,
      [id, slot, most],
    );
  }

  async anyNotBegun(tx: EntityManager, { id, slot }: Of): Promise<boolean> {
    const [row] = await tx.query<{ any: boolean }[]>(`SELECT EXISTS (SELECT FROM ${notBegun}) "any"`, [id, slot]);
    return row!.any;
  }

  /** `deployment` null: the slot was empty before and is empty again, nothing is left to confirm. */
  async returned(
    tx: EntityManager,
    rollout: RolloutId,
    items: readonly { device: DeviceId; deployment: string | null }[],
    at: Date,
  ): Promise<void> {
    await tx.query(
      `UPDATE rollout_target t SET deployment = o.deployment, offered_at = $4, failure = NULL, reason = NULL, state = CASE WHEN o.deployment IS NULL THEN 'rolled-back' ELSE 'rolling-back' END
       FROM unnest($2::text[], $3::uuid[]) o(device, deployment) WHERE t.rollout = $1 AND t.device = o.device`,
      [rollout, items.map((i) => i.device), items.map((i) => i.deployment), at],
    );
  }

  /** Of one that is taken back. `toldAfter`: who was told before and is still silent holds up nobody. */
  async returns(tx: EntityManager, { id, slot }: Of, toldAfter: Date): Promise<Returns> {
    const [held] = await tx.query<[{ n: number }]>(`SELECT count(*)::int n FROM ${stillHeld}`, [id, slot]);
    const [moving] = await tx.query<[{ n: number }]>(
      `SELECT count(*)::int n FROM rollout_target WHERE rollout = $1 AND state = 'rolling-back' AND offered_at > $2`,
      [id, toldAfter],
    );
    const counts = (await this.counts.of(tx, id)).filter(({ state }) => ofReturns.includes(state));
    const sum = (rows: typeof counts) => rows.reduce((n, row) => n + row.n, 0);
    const failed = counts.filter(({ state }) => state === 'return-failed');
    return { held: held.n, inFlight: moving.n, failed: sum(failed), told: sum(counts) };
  }
}
