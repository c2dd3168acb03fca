import { GroupCreate, GroupName, GroupView, pageOf } from '@flotilla/protocol';
import { Body, Controller, Delete, Get, HttpCode, Inject, Param, Post, Query } from '@nestjs/common';
import { ApiResponse } from '@nestjs/swagger';
import { ListQuery } from '../listing.js';
import { GroupsService } from './groups.service.js';

@Controller('api/v1/groups')
export class GroupsController {
  constructor(@Inject(GroupsService) private readonly groups: GroupsService) {}

  @Post()
  @ApiResponse({ status: 201, standardSchema: GroupView })
  create(@Body({ schema: GroupCreate }) request: GroupCreate) {
    return this.groups.create(request);
  }

  @Get()
  @ApiResponse({ status: 200, standardSchema: pageOf(GroupView) })
  list(@Query({ schema: ListQuery }) query: ListQuery) {
    return this.groups.list(query);
  }

  @Get(':name')
  @ApiResponse({ status: 200, standardSchema: GroupView })
  show(@Param('name', { schema: GroupName }) name: GroupName) {
    return this.groups.show(name);
  }

  @Delete(':name')
  @HttpCode(204)
  @ApiResponse({ status: 204, description: 'Removed; its devices stay' })
  remove(@Param('name', { schema: GroupName }) name: GroupName) {
    return this.groups.remove(name);
  }
}
