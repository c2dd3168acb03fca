import { EventView, pageOf } from '@flotilla/protocol';
import { Controller, Get, Inject, Query } from '@nestjs/common';
import { ApiResponse } from '@nestjs/swagger';
import { EventQuery, EventsService } from './events.service.js';

@Controller('api/v1/events')
export class EventsController {
  constructor(@Inject(EventsService) private readonly events: EventsService) {}

  @Get()
  @ApiResponse({ status: 200, standardSchema: pageOf(EventView) })
  list(@Query({ schema: EventQuery }) query: EventQuery) {
    return this.events.list(query);
  }
}
