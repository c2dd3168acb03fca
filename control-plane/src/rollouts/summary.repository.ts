import type { RolloutSummary } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import type { RolloutRow } from './rollout.entity.js';

type Opened = { stage: number; at: Date; until: Date | null };

/** What came of a rollout, told from its history and its devices. */
@Injectable()
export class SummaryRepository {
  constructor(@Inject(DataSource) private readonly db: DataSource) {}

  async of({ id, plan, createdAt, updatedAt }: RolloutRow): Promise<RolloutSummary> {
    const opened = await this.opened(id);
    return {
      startedAt: createdAt.toISOString(),
      endedAt: updatedAt.toISOString(),
      stages: opened.map(({ stage, at, until }) => ({
        name: plan.stages[stage]!.name,
        openedAt: at.toISOString(),
        tookS: Math.max(0, (until ?? updatedAt).getTime() - at.getTime()) / 1000,
      })),
      changed: await this.changed(id),
      accepted: await this.accepted(id),
    };
  }

  /** Each stage lasts until the first event after its last one. */
  private opened(id: string): Promise<Opened[]> {
    return this.db.query(
      `SELECT s.stage, s.at, (SELECT min(n.at) FROM rollout_event n WHERE n.rollout = $1 AND n.id > s.last) until
       FROM (SELECT (state ->> 'stage')::int stage, min(at) at, max(id) last FROM rollout_event
             WHERE rollout = $1 AND state ->> 'phase' IN ('running', 'paused') GROUP BY 1) s ORDER BY s.stage`,
      [id],
    );
  }

  private async changed(id: string): Promise<RolloutSummary['changed']> {
    const rows = await this.db.query<{ from: string | null; devices: number }[]>(
      `SELECT coalesce(r.model || '@' || r.version, t.previous_digest) "from", count(*)::int devices
       FROM rollout_target t LEFT JOIN release r ON r.digest = t.previous_digest
       WHERE t.rollout = $1 AND t.state IN ('committed', 'unproven') GROUP BY 1 ORDER BY 2 DESC, 1`,
      [id],
    );
    return rows.map(({ from, devices }) => ({ ...(from === null ? {} : { from }), devices }));
  }

  /** With what the rollout had stopped for: the state before says it. */
  private async accepted(id: string): Promise<RolloutSummary['accepted']> {
    const rows = await this.db.query<{ at: Date; by: string; reason: string; instead: string }[]>(
      `SELECT e.at, e.actor "by", e.event ->> 'accepting' reason,
              coalesce((SELECT b.state ->> 'detail' FROM rollout_event b WHERE b.rollout = $1 AND b.id < e.id ORDER BY b.id DESC LIMIT 1), '') instead
       FROM rollout_event e WHERE e.rollout = $1 AND e.event ->> 'type' = 'resume' AND e.event ->> 'accepting' IS NOT NULL ORDER BY e.id`,
      [id],
    );
    return rows.map((row) => ({ ...row, at: row.at.toISOString() }));
  }
}
