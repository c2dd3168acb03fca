import { pageOf, RolloutCommand, RolloutId, type RolloutPlan, RolloutPlanFile, RolloutView } from '@flotilla/protocol';
import { Body, Controller, Get, Inject, Param, Post, Query } from '@nestjs/common';
import { ApiResponse } from '@nestjs/swagger';
import { z } from 'zod';
import { ListQuery } from '../listing.js';
import { RolloutViews } from './rollout-views.js';
import { RolloutsService } from './rollouts.service.js';

const RolloutQuery = ListQuery.extend({ cursor: z.iso.datetime().optional() });
type RolloutQuery = z.infer<typeof RolloutQuery>;
const operator = 'admin';

@Controller('api/v1/rollouts')
export class RolloutsController {
  constructor(
    @Inject(RolloutsService) private readonly rollouts: RolloutsService,
    @Inject(RolloutViews) private readonly views: RolloutViews,
  ) {}

  @Get()
  @ApiResponse({ status: 200, standardSchema: pageOf(RolloutView) })
  list(@Query({ schema: RolloutQuery }) query: RolloutQuery) {
    return this.views.page(query);
  }

  @Get(':id')
  @ApiResponse({ status: 200, standardSchema: RolloutView })
  show(@Param('id', { schema: RolloutId }) id: RolloutId) {
    return this.views.one(id);
  }

  @Post()
  @ApiResponse({ status: 201, standardSchema: RolloutView })
  async create(@Body({ schema: RolloutPlanFile }) plan: RolloutPlan) {
    return this.views.one(await this.rollouts.create(plan, operator));
  }

  @Post(':id/commands')
  @ApiResponse({ status: 201, standardSchema: RolloutView })
  async command(@Param('id', { schema: RolloutId }) id: RolloutId, @Body({ schema: RolloutCommand }) command: RolloutCommand) {
    await this.rollouts.command(id, command, operator);
    return this.views.one(id);
  }
}
