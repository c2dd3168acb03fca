import {
  pageOf,
  RolloutCommand,
  RolloutId,
  type RolloutPlan,
  RolloutPlanFile,
  RolloutPreview,
  RolloutView,
} from '@flotilla/protocol';
import { Body, Controller, Get, HttpCode, Inject, Param, Post, Query } from '@nestjs/common';
import { ApiResponse } from '@nestjs/swagger';
import { z } from 'zod';
import { WhoAsks, type Operator } from '../access/operator.js';
import { ListQuery } from '../listing.js';
import { AppError } from '../platform/errors.js';
import { IfMatch, type Precondition, Tagged } from '../platform/preconditions.js';
import { standingTag } from './rollout-view.js';
import { RolloutViews } from './rollout-views.js';
import { RolloutsService } from './rollouts.service.js';

const RolloutQuery = ListQuery.extend({ cursor: z.iso.datetime().optional() });
type RolloutQuery = z.infer<typeof RolloutQuery>;
const words: readonly RolloutCommand['type'][] = ['approve', 'reject', 'withdraw-approval'];

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
  @Tagged(standingTag)
  @ApiResponse({ status: 200, standardSchema: RolloutView })
  show(@Param('id', { schema: RolloutId }) id: RolloutId) {
    return this.views.one(id);
  }

  @Post()
  @Tagged(standingTag)
  @ApiResponse({ status: 201, standardSchema: RolloutView })
  async create(@Body({ schema: RolloutPlanFile }) plan: RolloutPlan, @WhoAsks() { name }: Operator) {
    return this.views.one(await this.rollouts.create(plan, name));
  }

  /** What would come of it; nothing is written. */
  @Post('preview')
  @HttpCode(200)
  @ApiResponse({ status: 200, standardSchema: RolloutPreview })
  preview(@Body({ schema: RolloutPlanFile }) plan: RolloutPlan) {
    return this.rollouts.preview(plan);
  }

  @Post(':id/commands')
  @Tagged(standingTag)
  @ApiResponse({ status: 201, standardSchema: RolloutView })
  async command(
    @Param('id', { schema: RolloutId }) id: RolloutId,
    @Body({ schema: RolloutCommand }) command: RolloutCommand,
    @WhoAsks() operator: Operator,
    @IfMatch() precondition: Precondition,
  ) {
    const { name, role } = operator;
    if (role === 'approver' && !words.includes(command.type))
      throw new AppError('FORBIDDEN', `${name} is ${role}: they may approve or reject rollouts, not ${command.type} them`);
    await this.rollouts.command(id, command, operator, precondition);
    return this.views.one(id);
  }
}
