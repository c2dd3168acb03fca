import { DeviceId, PinRequest, PinView, SlotName } from '@flotilla/protocol';
import { Body, Controller, Delete, HttpCode, Inject, Param, Put } from '@nestjs/common';
import { ApiResponse } from '@nestjs/swagger';
import { WhoAsks, type Operator } from '../access/operator.js';
import { PinsService } from './pins.service.js';

@Controller('api/v1/devices/:id/slots/:slot/pin')
export class PinsController {
  constructor(@Inject(PinsService) private readonly pins: PinsService) {}

  @Put()
  @ApiResponse({ status: 200, standardSchema: PinView })
  pin(
    @Param('id', { schema: DeviceId }) id: DeviceId,
    @Param('slot', { schema: SlotName }) slot: SlotName,
    @Body({ schema: PinRequest }) request: PinRequest,
    @WhoAsks() { name }: Operator,
  ) {
    return this.pins.pin(id, slot, request, name);
  }

  @Delete()
  @HttpCode(204)
  @ApiResponse({ status: 204, description: 'Unpinned: the slot keeps what it has until somebody wants another' })
  unpin(
    @Param('id', { schema: DeviceId }) id: DeviceId,
    @Param('slot', { schema: SlotName }) slot: SlotName,
    @WhoAsks() { name }: Operator,
  ) {
    return this.pins.unpin(id, slot, name);
  }
}
