import { ClassesAnswer, ClassesQuery, InputsAnswer, InputsQuery, VitalsAnswer, VitalsQuery } from '@flotilla/protocol';
import { Controller, Get, Inject, Query } from '@nestjs/common';
import { ApiResponse } from '@nestjs/swagger';
import { ClassesService } from './classes.service.js';
import { InputsService } from './inputs.service.js';
import { VitalsService } from './vitals.service.js';

/** What windows and vitals hold besides figures: kept by device only. */
@Controller('api/v1/telemetry')
export class TelemetryContentsController {
  constructor(
    @Inject(ClassesService) private readonly itsClasses: ClassesService,
    @Inject(InputsService) private readonly itsInputs: InputsService,
    @Inject(VitalsService) private readonly itsVitals: VitalsService,
  ) {}

  /** Which classes models answered with, and how sure they were. */
  @Get('classes')
  @ApiResponse({ status: 200, standardSchema: ClassesAnswer })
  classes(@Query({ schema: ClassesQuery }) query: ClassesQuery) {
    return this.itsClasses.answer(query);
  }

  /** What inputs looked like, in the bins of the release's baseline and beside it. */
  @Get('inputs')
  @ApiResponse({ status: 200, standardSchema: InputsAnswer })
  inputs(@Query({ schema: InputsQuery }) query: InputsQuery) {
    return this.itsInputs.answer(query);
  }

  /** How hot, busy and full boards were. */
  @Get('vitals')
  @ApiResponse({ status: 200, standardSchema: VitalsAnswer })
  vitals(@Query({ schema: VitalsQuery }) query: VitalsQuery) {
    return this.itsVitals.answer(query);
  }
}
