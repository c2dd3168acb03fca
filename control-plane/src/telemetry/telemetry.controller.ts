import { DeviceId } from '@flotilla/protocol';
import { Controller, Get, Inject, Param, Query } from '@nestjs/common';
import { ApiResponse } from '@nestjs/swagger';
import { z } from 'zod';
import { DeviceTelemetryView, TelemetrySummaryView } from './telemetry-view.js';
import { TelemetryService } from './telemetry.service.js';

const DeviceQuery = z.object({ limit: z.coerce.number().int().min(1).max(500).default(20) });
type DeviceQuery = z.infer<typeof DeviceQuery>;
const SummaryQuery = z.object({ by: z.literal('release').default('release') });

@Controller('api/v1')
export class TelemetryController {
  constructor(@Inject(TelemetryService) private readonly telemetry: TelemetryService) {}

  @Get('devices/:id/telemetry')
  @ApiResponse({ status: 200, standardSchema: DeviceTelemetryView })
  ofDevice(@Param('id', { schema: DeviceId }) id: DeviceId, @Query({ schema: DeviceQuery }) { limit }: DeviceQuery) {
    return this.telemetry.ofDevice(id, limit);
  }

  @Get('telemetry/summary')
  @ApiResponse({ status: 200, standardSchema: TelemetrySummaryView })
  summary(@Query({ schema: SummaryQuery }) _query: z.infer<typeof SummaryQuery>) {
    return this.telemetry.summary();
  }
}
