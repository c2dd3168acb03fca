import { DeviceId, DeviceWhyView } from '@flotilla/protocol';
import { Controller, Get, Inject, Param } from '@nestjs/common';
import { ApiResponse } from '@nestjs/swagger';
import { SlotWhy } from './slot-why.js';

@Controller('api/v1/devices/:id/why')
export class SlotWhyController {
  constructor(@Inject(SlotWhy) private readonly why: SlotWhy) {}

  @Get()
  @ApiResponse({ status: 200, standardSchema: DeviceWhyView })
  async show(@Param('id', { schema: DeviceId }) id: DeviceId) {
    return { items: await this.why.of(id) };
  }
}
