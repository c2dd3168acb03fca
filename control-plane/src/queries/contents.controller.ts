import { ClassesAnswer, ClassesQuery, VitalsAnswer, VitalsQuery } from '@flotilla/protocol';
import { Controller, Get, Inject, Query } from '@nestjs/common';
import { ApiResponse } from '@nestjs/swagger';
import { ClassesService } from './classes.service.js';
import { VitalsService } from './vitals.service.js';

/** What windows and vitals hold that no rollup does. */
@Controller('api/v1/telemetry')
export class TelemetryContentsController {
  constructor(
    @Inject(ClassesService) private readonly itsClasses: ClassesService,
    @Inject(VitalsService) private readonly itsVitals: VitalsService,
  ) {}

  /** Which classes models answered with, and how sure they were. */
  @Get('classes')
  @ApiResponse({ status: 200, standardSchema: ClassesAnswer })
  classes(@Query({ schema: ClassesQuery }) query: ClassesQuery) {
    return this.itsClasses.answer(query);
  }

  /** How hot, busy and full boards were. */
  @Get('vitals')
  @ApiResponse({ status: 200, standardSchema: VitalsAnswer })
  vitals(@Query({ schema: VitalsQuery }) query: VitalsQuery) {
    return this.itsVitals.answer(query);
  }
}
