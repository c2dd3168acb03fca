import { Module } from '@nestjs/common';
import { EventsModule } from '../events/events.module.js';
import { ArtifactsController } from './artifacts.controller.js';
import { ReleasesController } from './releases.controller.js';
import { ReleasesRepository } from './releases.repository.js';
import { ReleasesService } from './releases.service.js';

@Module({
  imports: [EventsModule],
  controllers: [ArtifactsController, ReleasesController],
  providers: [ReleasesRepository, ReleasesService],
  exports: [ReleasesService],
})
export class ModelsModule {}
