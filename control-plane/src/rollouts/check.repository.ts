import type { RolloutId } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import type { Answer } from '../core/rollout-state.js';
import { RolloutCheckRow } from './rollout.entity.js';

@Injectable()
export class CheckRepository {
  constructor(@Inject(DataSource) private readonly db: DataSource) {}

  async of(rollout: RolloutId, tx: EntityManager = this.db.manager): Promise<Answer[]> {
    const rows = await tx.find(RolloutCheckRow, { where: { rollout }, order: { stage: 'ASC', name: 'ASC' } });
    return rows.map(({ stage, name, verdict, detail, times, at }) => ({ stage, name, verdict, detail, times, at: at.getTime() }));
  }

  /** The same answer again counts on; another begins at one. */
  async store(tx: EntityManager, rollout: RolloutId, { stage, name, verdict, detail, at }: Omit<Answer, 'times'>): Promise<void> {
    await tx.query(
      `INSERT INTO rollout_check AS was (rollout, stage, name, verdict, detail, times, at) VALUES ($1, $2, $3, $4, $5, 1, $6)
       ON CONFLICT (rollout, stage, name) DO UPDATE SET verdict = excluded.verdict, detail = excluded.detail, at = excluded.at,
         times = CASE WHEN was.verdict = excluded.verdict THEN was.times + 1 ELSE 1 END`,
      [rollout, stage, name, verdict, detail, new Date(at)],
    );
  }

  /** Rollouts whose checks are to be asked: those that run, and those that wait for one to answer. */
  async waiting(): Promise<RolloutId[]> {
    const rows = await this.db.query<{ id: RolloutId }[]>(
      `SELECT id FROM rollout WHERE plan ? 'checks' AND (phase = 'running' OR (phase = 'paused' AND state ->> 'reason' = 'metrics'))`,
    );
    return rows.map(({ id }) => id);
  }
}
