import { Calendar, GroupName } from '@flotilla/protocol';
import { Body, Controller, Delete, Get, HttpCode, Inject, Param, Put } from '@nestjs/common';
import { ApiResponse } from '@nestjs/swagger';
import { WhoAsks, type Operator } from '../access/operator.js';
import { IfMatch, type Precondition, Tagged } from '../platform/preconditions.js';
import { CalendarsService, calendarTag } from './calendars.service.js';

@Controller('api/v1/groups/:name/calendar')
export class CalendarsController {
  constructor(@Inject(CalendarsService) private readonly calendars: CalendarsService) {}

  @Get()
  @Tagged(calendarTag)
  @ApiResponse({ status: 200, standardSchema: Calendar })
  show(@Param('name', { schema: GroupName }) name: GroupName) {
    return this.calendars.show(name);
  }

  @Put()
  @Tagged(calendarTag)
  @ApiResponse({ status: 200, standardSchema: Calendar })
  set(
    @Param('name', { schema: GroupName }) name: GroupName,
    @Body({ schema: Calendar }) calendar: Calendar,
    @WhoAsks() { name: actor }: Operator,
    @IfMatch() precondition: Precondition,
  ) {
    return this.calendars.set(name, calendar, { actor, precondition });
  }

  @Delete()
  @HttpCode(204)
  @ApiResponse({ status: 204, description: 'Removed; rollouts go by their own plan' })
  remove(
    @Param('name', { schema: GroupName }) name: GroupName,
    @WhoAsks() { name: actor }: Operator,
    @IfMatch() precondition: Precondition,
  ) {
    return this.calendars.remove(name, { actor, precondition });
  }
}
