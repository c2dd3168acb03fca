import { DeviceConfigurationView, DeviceId, DeviceView, LabelsRequest, MaintenanceRequest, pageOf } from '@flotilla/protocol';
import { Body, Controller, Delete, Get, HttpCode, Inject, Param, Post, Put, Query } from '@nestjs/common';
import { ApiResponse } from '@nestjs/swagger';
import { type Operator, WhoAsks } from '../access/operator.js';
import { IfMatch, type Precondition, Tagged } from '../platform/preconditions.js';
import { DeviceCare } from './device-care.js';
import { DeviceConfigurations } from './device-configurations.js';
import { DeviceDeparture } from './device-departure.js';
import { DeviceLabels, labelsTag } from './device-labels.js';
import { DeviceQuery, DevicesService, RemoveQuery } from './devices.service.js';

@Controller('api/v1/devices')
export class DevicesController {
  constructor(
    @Inject(DevicesService) private readonly devices: DevicesService,
    @Inject(DeviceConfigurations) private readonly configurations: DeviceConfigurations,
    @Inject(DeviceLabels) private readonly labels: DeviceLabels,
    @Inject(DeviceCare) private readonly care: DeviceCare,
    @Inject(DeviceDeparture) private readonly departure: DeviceDeparture,
  ) {}

  @Get()
  @ApiResponse({ status: 200, standardSchema: pageOf(DeviceView) })
  list(@Query({ schema: DeviceQuery }) query: DeviceQuery) {
    return this.devices.list(query);
  }

  @Get(':id')
  @Tagged(labelsTag)
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
  @Tagged(labelsTag)
  @ApiResponse({ status: 200, standardSchema: DeviceView })
  async setLabels(
    @Param('id', { schema: DeviceId }) id: DeviceId,
    @Body({ schema: LabelsRequest }) { labels }: LabelsRequest,
    @WhoAsks() operator: Operator,
    @IfMatch() precondition: Precondition,
  ) {
    await this.labels.set(id, labels, { actor: operator.name, precondition });
    return this.devices.get(id);
  }

  /** Lets a pending device in. */
  @Post(':id/approval')
  @HttpCode(200)
  @ApiResponse({ status: 200, standardSchema: DeviceView })
  async approve(@Param('id', { schema: DeviceId }) id: DeviceId, @WhoAsks() operator: Operator) {
    await this.care.approve(id, operator.name);
    return this.devices.get(id);
  }

  @Put(':id/maintenance')
  @ApiResponse({ status: 200, standardSchema: DeviceView })
  async beginMaintenance(
    @Param('id', { schema: DeviceId }) id: DeviceId,
    @Body({ schema: MaintenanceRequest }) request: MaintenanceRequest,
    @WhoAsks() operator: Operator,
  ) {
    await this.care.beginMaintenance(id, request, operator.name);
    return this.devices.get(id);
  }

  @Delete(':id/maintenance')
  @ApiResponse({ status: 200, standardSchema: DeviceView })
  async endMaintenance(@Param('id', { schema: DeviceId }) id: DeviceId, @WhoAsks() operator: Operator) {
    await this.care.endMaintenance(id, operator.name);
    return this.devices.get(id);
  }

  @Delete(':id')
  @HttpCode(204)
  @ApiResponse({ status: 204, description: 'Removed: its certificate is revoked, its assignments are gone' })
  remove(
    @Param('id', { schema: DeviceId }) id: DeviceId,
    @Query({ schema: RemoveQuery }) { purge }: RemoveQuery,
    @WhoAsks() operator: Operator,
  ) {
    return this.departure.remove(id, { purge, actor: operator.name });
  }
}
