import { TelemetryAnswer, TelemetryQuery } from '@flotilla/protocol';
import { Controller, Get, Inject, Query } from '@nestjs/common';
import { ApiResponse } from '@nestjs/swagger';
import { QueriesService } from './queries.service.js';

@Controller('api/v1/telemetry')
export class QueriesController {
  constructor(@Inject(QueriesService) private readonly queries: QueriesService) {}

  @Get()
  @ApiResponse({ status: 200, standardSchema: TelemetryAnswer })
  query(@Query({ schema: TelemetryQuery }) query: TelemetryQuery) {
    return this.queries.answer(query);
  }
}
