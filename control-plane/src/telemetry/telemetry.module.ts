import { Module } from '@nestjs/common';
import { FleetModule } from '../fleet/fleet.module.js';
import { ModelsModule } from '../models/models.module.js';
import { QueriesService } from './queries.service.js';
import { QueryRepository } from './query.repository.js';
import { Retention } from './retention.js';
import { TelemetryController } from './telemetry.controller.js';
import { TelemetryRepository } from './telemetry.repository.js';
import { TelemetryService } from './telemetry.service.js';

@Module({
  imports: [FleetModule, ModelsModule],
  controllers: [TelemetryController],
  providers: [QueriesService, QueryRepository, TelemetryRepository, TelemetryService, Retention],
  exports: [TelemetryService],
})
export class TelemetryModule {}
