import { OperatorCreate, OperatorCreated, OperatorName, OperatorView, pageOf } from '@flotilla/protocol';
import { Body, Controller, Delete, Get, HttpCode, Inject, Param, Post } from '@nestjs/common';
import { ApiResponse } from '@nestjs/swagger';
import { OperatorsService } from './operators.service.js';

/** For the admin alone: the guard sees to it. */
@Controller('api/v1/operators')
export class OperatorsController {
  constructor(@Inject(OperatorsService) private readonly operators: OperatorsService) {}

  @Get()
  @ApiResponse({ status: 200, standardSchema: pageOf(OperatorView) })
  async list() {
    return { items: await this.operators.list() };
  }

  @Post()
  @ApiResponse({ status: 201, standardSchema: OperatorCreated })
  create(@Body({ schema: OperatorCreate }) request: OperatorCreate) {
    return this.operators.create(request);
  }

  @Delete(':name')
  @HttpCode(204)
  @ApiResponse({ status: 204 })
  remove(@Param('name', { schema: OperatorName }) name: OperatorName) {
    return this.operators.remove(name);
  }
}
