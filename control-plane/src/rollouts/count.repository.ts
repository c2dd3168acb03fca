import type { RolloutId } from '@flotilla/protocol';
import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { RolloutRow, TargetState } from './rollout.entity.js';

export type StateCount = { stage: number; state: TargetState; n: number };

/** From so many rows on they are put together. */
const foldAt = 256;

/** Counts of a rollout's devices, as triggers on their table keep them: sums of rows that each transaction added. */
@Injectable()
export class CountRepository {
  /** All that is committed. */
  async of(tx: EntityManager, rollout: RolloutId): Promise<StateCount[]> {
    const rows = await tx.query<{ stage: number; state: TargetState; n: string }[]>(
      `SELECT stage, state, sum(n) n FROM rollout_count WHERE rollout = $1 GROUP BY stage, state HAVING sum(n) <> 0`,
      [rollout],
    );
    return rows.map(({ n, ...row }) => ({ ...row, n: Number(n) }));
  }

  /** Devices on which a release failed by its own fault, over all rollouts of it. */
  async failed(tx: EntityManager, { digest, slot }: Pick<RolloutRow, 'digest' | 'slot'>): Promise<number> {
    const [sum] = await tx.query<[{ n: string }]>(
      `SELECT coalesce(sum(c.n), 0) n FROM rollout_count c JOIN rollout r ON r.id = c.rollout
       WHERE r.digest = $1 AND r.slot = $2 AND c.state = 'failed-artifact'`,
      [digest, slot],
    );
    return Number(sum.n);
  }

  /** Under the rollout's lock. Rows that others commit meanwhile are not seen, and stay. */
  async fold(tx: EntityManager, rollout: RolloutId): Promise<void> {
    const [{ n }] = await tx.query<[{ n: string }]>(`SELECT count(*) n FROM rollout_count WHERE rollout = $1`, [rollout]);
    if (Number(n) < foldAt) return;
    await tx.query(
      `WITH gone AS (DELETE FROM rollout_count WHERE rollout = $1 RETURNING stage, state, n)
       INSERT INTO rollout_count (rollout, stage, state, n)
       SELECT $1, stage, state, sum(n) FROM gone GROUP BY stage, state HAVING sum(n) <> 0`,
      [rollout],
    );
  }
}
