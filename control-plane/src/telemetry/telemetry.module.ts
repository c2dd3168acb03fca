import { Module } from '@nestjs/common';
import { FleetModule } from '../fleet/fleet.module.js';
import { ModelsModule } from '../models/models.module.js';
import { Retention } from './retention.js';
import { TelemetryController } from './telemetry.controller.js';
import { TelemetryRepository } from './telemetry.repository.js';
import { TelemetryService } from './telemetry.service.js';

@Module({
  imports: [FleetModule, ModelsModule],
  controllers: [TelemetryController],
  providers: [TelemetryRepository, TelemetryService, Retention],
  exports: [TelemetryService],
})
export class TelemetryModule {}
