import { DeviceImport, DeviceImportView } from '@flotilla/protocol';
import { Body, Controller, HttpCode, Inject, Post } from '@nestjs/common';
import { ApiResponse } from '@nestjs/swagger';
import { DeviceImportService } from './device-import.service.js';
import { type Operator, WhoAsks } from './operator.js';

@Controller('api/v1/devices/import')
export class DeviceImportController {
  constructor(@Inject(DeviceImportService) private readonly imports: DeviceImportService) {}

  @Post()
  @HttpCode(200)
  @ApiResponse({ status: 200, standardSchema: DeviceImportView })
  run(@Body({ schema: DeviceImport }) request: DeviceImport, @WhoAsks() operator: Operator) {
    return this.imports.run(request, operator.name);
  }
}
