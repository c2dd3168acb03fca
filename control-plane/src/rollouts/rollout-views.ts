import type { RolloutId, RolloutView } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { pageFrom, type ListQuery, type Page } from '../listing.js';
import { viewOf } from './rollout-view.js';
import type { RolloutRow } from './rollout.entity.js';
import { RolloutRepository, underWay } from './rollout.repository.js';
import { SummaryRepository } from './summary.repository.js';
import { TargetRepository } from './target.repository.js';

/** Rollouts as the API shows them, computed from what is committed now. */
@Injectable()
export class RolloutViews {
  constructor(
    @Inject(DataSource) private readonly db: DataSource,
    @Inject(RolloutRepository) private readonly rollouts: RolloutRepository,
    @Inject(TargetRepository) private readonly targets: TargetRepository,
    @Inject(SummaryRepository) private readonly summaries: SummaryRepository,
  ) {}

  async one(id: RolloutId): Promise<RolloutView> {
    const row = await this.rollouts.get(id);
    const view = await this.view(row);
    return underWay.includes(row.phase) ? view : { ...view, summary: await this.summaries.of(row) };
  }

  /** Newest first; the cursor is the time of the last one shown. */
  async page({ limit, cursor }: ListQuery): Promise<Page<RolloutView>> {
    const rows = await this.rollouts.list(limit + 1, cursor);
    const page = pageFrom(rows, limit, (row) => row.createdAt.toISOString());
    return { ...page, items: await Promise.all(page.items.map((row) => this.view(row))) };
  }

  private async view(row: RolloutRow): Promise<RolloutView> {
    return viewOf(row, await this.targets.observe(this.db.manager, row));
  }
}
