import { Module } from '@nestjs/common';
import { BlocksModule } from '../blocks/blocks.module.js';
import { EventsModule } from '../events/events.module.js';
import { FleetModule } from '../fleet/fleet.module.js';
import { ModelsModule } from '../models/models.module.js';
import { RolloutsModule } from '../rollouts/rollouts.module.js';
import { BlockKeeper } from './block-keeper.js';
import { KillSwitch } from './kill-switch.js';
import { KillViews } from './kill-views.js';
import { KillsController } from './kills.controller.js';
import { KillsRepository } from './kills.repository.js';
import { KillsService } from './kills.service.js';

/** The kill switch. */
@Module({
  imports: [BlocksModule, EventsModule, FleetModule, ModelsModule, RolloutsModule],
  controllers: [KillsController],
  providers: [BlockKeeper, KillSwitch, KillsRepository, KillsService, KillViews],
  exports: [KillViews],
})
export class KillsModule {}
