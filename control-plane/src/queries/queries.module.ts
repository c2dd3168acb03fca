import { Module } from '@nestjs/common';
import { ModelsModule } from '../models/models.module.js';
import { ChangesRepository } from './changes.repository.js';
import { ChangesService } from './changes.service.js';
import { ClassesRepository } from './classes.repository.js';
import { ClassesService } from './classes.service.js';
import { ComparisonsService } from './comparisons.service.js';
import { ExportRepository } from './export.repository.js';
import { ExportService } from './export.service.js';
import { InputsRepository } from './inputs.repository.js';
import { InputsService } from './inputs.service.js';
import { OffendersRepository } from './offenders.repository.js';
import { OffendersService } from './offenders.service.js';
import { TelemetryContentsController } from './contents.controller.js';
import { QueriesController, TelemetryStreamsController } from './queries.controller.js';
import { QueriesService } from './queries.service.js';
import { QueryRepository } from './query.repository.js';
import { TailRepository } from './tail.repository.js';
import { VitalsRepository } from './vitals.repository.js';
import { VitalsService } from './vitals.service.js';
import { WindowStream } from './window-stream.js';

@Module({
  imports: [ModelsModule],
  controllers: [QueriesController, TelemetryContentsController, TelemetryStreamsController],
  providers: [
    ChangesRepository,
    ChangesService,
    ClassesRepository,
    ClassesService,
    ComparisonsService,
    ExportRepository,
    ExportService,
    InputsRepository,
    InputsService,
    OffendersRepository,
    OffendersService,
    QueriesService,
    QueryRepository,
    TailRepository,
    VitalsRepository,
    VitalsService,
    WindowStream,
  ],
  exports: [QueriesService],
})
export class QueriesModule {}
