import { DeviceConfigurationView, DeviceId, DeviceView, pageOf } from '@flotilla/protocol';
import { Body, Controller, Delete, Get, HttpCode, Inject, Param, Put, Query } from '@nestjs/common';
import { ApiResponse } from '@nestjs/swagger';
import { DeviceConfigurations } from './device-configurations.js';
import { DeviceQuery, DevicesService } from './devices.service.js';
import { LabelsRequest } from './labels.js';

@Controller('api/v1/devices')
export class DevicesController {
  constructor(
    @Inject(DevicesService) private readonly devices: DevicesService,
    @Inject(DeviceConfigurations) private readonly configurations: DeviceConfigurations,
  ) {}

  @Get()
  @ApiResponse({ status: 200, standardSchema: pageOf(DeviceView) })
  list(@Query({ schema: DeviceQuery }) query: DeviceQuery) {
    return this.devices.list(query);
  }

  @Get(':id')
  @ApiResponse({ status: 200, standardSchema: DeviceView })
  show(@Param('id', { schema: DeviceId }) id: DeviceId) {
    return this.devices.get(id);
  }

  @Get(':id/configuration')
  @ApiResponse({ status: 200, standardSchema: DeviceConfigurationView })
  configuration(@Param('id', { schema: DeviceId }) id: DeviceId) {
    return this.configurations.of(id);
  }

  @Put(':id/labels')
  @ApiResponse({ status: 200, standardSchema: DeviceView })
  setLabels(@Param('id', { schema: DeviceId }) id: DeviceId, @Body({ schema: LabelsRequest }) { labels }: LabelsRequest) {
    return this.devices.setLabels(id, labels);
  }

  @Delete(':id')
  @HttpCode(204)
  @ApiResponse({ status: 204, description: 'Removed: its certificate is revoked, its assignments are gone' })
  remove(@Param('id', { schema: DeviceId }) id: DeviceId) {
    return this.devices.remove(id);
  }
}
