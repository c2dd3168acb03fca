import type { BlockId, BlockView, KillTargetState, KillTargetView, KillView } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import { BlocksService, blockView } from '../blocks/blocks.service.js';
import { unknownRelease } from '../fleet/device-view.js';
import { type ListQuery, type Page, pageFrom } from '../listing.js';
import { ReleasesService } from '../models/releases.service.js';
import { KillsRepository, type Tally, type Target } from './kills.repository.js';

const noCounts = { affected: 0, confirmed: 0, pending: 0, unheard: 0, failed: 0, unreached: 0, stopped: 0 };

/** Kills and blocks as the API shows them, counted anew each time. */
@Injectable()
export class KillViews {
  constructor(
    @Inject(KillsRepository) private readonly kills: KillsRepository,
    @Inject(BlocksService) private readonly blocks: BlocksService,
    @Inject(ReleasesService) private readonly releases: ReleasesService,
  ) {}

  async show(id: BlockId): Promise<KillView> {
    const row = await this.blocks.rows.byId(id);
    return viewOf(blockView(row), await this.kills.tallies([id]));
  }

  async block(id: BlockId): Promise<BlockView> {
    return blockView(await this.blocks.rows.byId(id));
  }

  /** Newest first. */
  async list(query: ListQuery): Promise<Page<KillView>> {
    const page = await this.blocksPage(query, false);
    const tallies = Map.groupBy(await this.kills.tallies(page.items.map(({ id }) => id)), ({ block }) => block);
    return { ...page, items: page.items.map((block) => viewOf(block, tallies.get(block.id) ?? [])) };
  }

  async blocksPage(query: ListQuery, inForce: boolean): Promise<Page<BlockView>> {
    const page = pageFrom(await this.blocks.rows.list({ ...query, inForce }), query.limit, (row) => row.id);
    return { ...page, items: page.items.map(blockView) };
  }

  async targets(id: BlockId, query: ListQuery & { state?: KillTargetState | undefined }): Promise<Page<KillTargetView>> {
    await this.blocks.rows.byId(id);
    const [device = '', slot = ''] = query.cursor?.split('/') ?? [];
    const rows = await this.kills.targets(id, { ...query, limit: query.limit + 1, after: [device, slot] });
    const names = await this.releases.namesOf(rows.flatMap(({ digest, good }) => [digest, ...(good === null ? [] : [good])]));
    const page = pageFrom(rows, query.limit, (row) => `${row.device}/${row.slot}`);
    return { ...page, items: page.items.map((row) => targetView(row, names)) };
  }
}

function viewOf(block: BlockView, tallies: readonly Tally[]): KillView {
  const counts = { ...noCounts };
  for (const { state, stopped, n, unheard } of tallies) {
    counts[state] += Number(n);
    counts.affected += Number(n);
    if (state === 'pending') counts.unheard += Number(unheard);
    if (stopped) counts.stopped += Number(n);
  }
  return { ...block, counts };
}

const targetView = (
  { device, slot, state, digest, good, online, lastSeenAt, unheard, reason }: Target,
  names: ReadonlyMap<string, string>,
) =>
  ({
    device,
    slot,
    state,
    took: names.get(digest) ?? unknownRelease(digest),
    ...(good !== null && { good: names.get(good) ?? unknownRelease(good) }),
    online,
    unheard,
    ...(lastSeenAt && { lastSeen: lastSeenAt.toISOString() }),
    ...(reason !== null && { reason }),
  }) as KillTargetView;
