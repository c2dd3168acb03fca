import { GroupChange, GroupCreate, GroupName, GroupPreview, GroupPreviewRequest, GroupView, pageOf } from '@flotilla/protocol';
import { Body, Controller, Delete, Get, HttpCode, Inject, Param, Patch, Post, Query } from '@nestjs/common';
import { ApiResponse } from '@nestjs/swagger';
import { ListQuery } from '../listing.js';
import { IfMatch, type Precondition, Tagged } from '../platform/preconditions.js';
import { groupTag } from './group-changes.js';
import { GroupsService } from './groups.service.js';

@Controller('api/v1/groups')
export class GroupsController {
  constructor(@Inject(GroupsService) private readonly groups: GroupsService) {}

  @Post()
  @Tagged(groupTag)
  @ApiResponse({ status: 201, standardSchema: GroupView })
  create(@Body({ schema: GroupCreate }) request: GroupCreate) {
    return this.groups.create(request);
  }

  /** Who would be in a group with this selector; nothing is written. */
  @Post('preview')
  @HttpCode(200)
  @ApiResponse({ status: 200, standardSchema: GroupPreview })
  preview(@Body({ schema: GroupPreviewRequest }) request: GroupPreviewRequest) {
    return this.groups.preview(request);
  }

  @Get()
  @ApiResponse({ status: 200, standardSchema: pageOf(GroupView) })
  list(@Query({ schema: ListQuery }) query: ListQuery) {
    return this.groups.list(query);
  }

  @Get(':name')
  @Tagged(groupTag)
  @ApiResponse({ status: 200, standardSchema: GroupView })
  show(@Param('name', { schema: GroupName }) name: GroupName) {
    return this.groups.show(name);
  }

  @Patch(':name')
  @Tagged(groupTag)
  @ApiResponse({ status: 200, standardSchema: GroupView })
  change(
    @Param('name', { schema: GroupName }) name: GroupName,
    @Body({ schema: GroupChange }) change: GroupChange,
    @IfMatch() precondition: Precondition,
  ) {
    return this.groups.change(name, change, precondition);
  }

  @Delete(':name')
  @HttpCode(204)
  @ApiResponse({ status: 204, description: 'Removed; its devices stay' })
  remove(@Param('name', { schema: GroupName }) name: GroupName, @IfMatch() precondition: Precondition) {
    return this.groups.remove(name, precondition);
  }
}
