import type { BlockId, BlockView, KillRequest, KillView, LiftRequest } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import { ReleasesService } from '../models/releases.service.js';
import { OutboxBell } from '../platform/outbox-bell.js';
import { CLOCK, type Clock } from '../platform/tokens.js';
import { BlockKeeper } from './block-keeper.js';
import { KillSwitch } from './kill-switch.js';
import { KillViews } from './kill-views.js';

/** Kills as people ask for them, and the lifting of blocks; kept outside the database as soon as they are in it. */
@Injectable()
export class KillsService {
  constructor(
    @Inject(KillSwitch) private readonly killSwitch: KillSwitch,
    @Inject(BlockKeeper) private readonly keeper: BlockKeeper,
    @Inject(KillViews) private readonly views: KillViews,
    @Inject(ReleasesService) private readonly releases: ReleasesService,
    @Inject(OutboxBell) private readonly bell: OutboxBell,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  async kill(request: KillRequest, actor: string): Promise<KillView> {
    const { model, version = null, group = null, reason } = request;
    // A name that is not known must not look like a kill that has come through.
    const digests = await this.releases.digestsOf(model, version);
    const id = await this.killSwitch.kill({ model, version, group, digests }, { reason, actor, at: this.clock.now() });
    this.bell.ring();
    await this.keeper.keep();
    return this.views.show(id);
  }

  async lift(id: BlockId, { reason }: LiftRequest, actor: string): Promise<BlockView> {
    await this.killSwitch.lift(id, { reason, actor, at: this.clock.now() });
    await this.keeper.keep();
    return this.views.block(id);
  }
}
