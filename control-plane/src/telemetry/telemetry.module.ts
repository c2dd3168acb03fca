import { Module } from '@nestjs/common';
import { EventsModule } from '../events/events.module.js';
import { FleetModule } from '../fleet/fleet.module.js';
import { ModelsModule } from '../models/models.module.js';
import { ContentRollups } from './content-rollups.js';
import { JustStored } from './just-stored.js';
import { OldRows } from './old-rows.js';
import { PartitionKeeper } from './partition-keeper.js';
import { Partitions } from './partitions.js';
import { Retention } from './retention.js';
import { RollupRepository } from './rollup.repository.js';
import { Rollups } from './rollups.js';
import { TelemetryController } from './telemetry.controller.js';
import { TelemetryRepository } from './telemetry.repository.js';
import { TelemetryService } from './telemetry.service.js';
import { VitalsRollups } from './vitals-rollups.js';

@Module({
  imports: [EventsModule, FleetModule, ModelsModule],
  controllers: [TelemetryController],
  providers: [
    TelemetryRepository,
    TelemetryService,
    Partitions,
    PartitionKeeper,
    OldRows,
    Retention,
    RollupRepository,
    Rollups,
    VitalsRollups,
    ContentRollups,
    JustStored,
  ],
  exports: [RollupRepository, TelemetryService],
})
export class TelemetryModule {}
