import { DeviceId, pageOf, TokenCreate, TokenSummary, TokenView } from '@flotilla/protocol';
import { Body, Controller, Get, Inject, Param, Post, Query } from '@nestjs/common';
import { ApiResponse } from '@nestjs/swagger';
import { DevicesService } from '../fleet/devices.service.js';
import { ClaimTokensService, TokenQuery } from './claim-tokens.service.js';

@Controller('api/v1')
export class ClaimTokensController {
  constructor(
    @Inject(ClaimTokensService) private readonly tokens: ClaimTokensService,
    @Inject(DevicesService) private readonly devices: DevicesService,
  ) {}

  @Post('tokens')
  @ApiResponse({ status: 201, standardSchema: TokenView })
  create(@Body({ schema: TokenCreate }) request: TokenCreate) {
    return this.tokens.create(request);
  }

  @Get('tokens')
  @ApiResponse({ status: 200, standardSchema: pageOf(TokenSummary) })
  list(@Query({ schema: TokenQuery }) query: TokenQuery) {
    return this.tokens.list(query);
  }

  /** A claim token for a board that takes this one's place: it is shut out in the moment when the other enrols. */
  @Post('devices/:id/replacement')
  @ApiResponse({ status: 201, standardSchema: TokenView })
  async replace(@Param('id', { schema: DeviceId }) id: DeviceId) {
    await this.devices.refuseGone(id);
    return this.tokens.createReplacement(id);
  }
}
