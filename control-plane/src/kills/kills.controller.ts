import {
  BlockId,
  BlockView,
  KillRequest,
  KillTargetState,
  KillTargetView,
  KillView,
  LiftRequest,
  pageOf,
} from '@flotilla/protocol';
import { Body, Controller, Get, HttpCode, Inject, Param, Post, Query } from '@nestjs/common';
import { ApiResponse } from '@nestjs/swagger';
import { z } from 'zod';
import { WhoAsks, type Operator } from '../access/operator.js';
import { ListQuery } from '../listing.js';
import { KillViews } from './kill-views.js';
import { KillsService } from './kills.service.js';

const KillQuery = ListQuery.extend({ cursor: BlockId.optional() });
type KillQuery = z.infer<typeof KillQuery>;
const BlockQuery = KillQuery.extend({
  /** `true`: lifted ones, too. */
  all: z.enum(['true', 'false']).default('false'),
});
type BlockQuery = z.infer<typeof BlockQuery>;
const TargetQuery = ListQuery.extend({ state: KillTargetState.optional() });
type TargetQuery = z.infer<typeof TargetQuery>;

@Controller('api/v1')
export class KillsController {
  constructor(
    @Inject(KillsService) private readonly kills: KillsService,
    @Inject(KillViews) private readonly views: KillViews,
  ) {}

  @Post('kills')
  @ApiResponse({ status: 201, standardSchema: KillView })
  kill(@Body({ schema: KillRequest }) request: KillRequest, @WhoAsks() { name }: Operator) {
    return this.kills.kill(request, name);
  }

  @Get('kills')
  @ApiResponse({ status: 200, standardSchema: pageOf(KillView) })
  list(@Query({ schema: KillQuery }) query: KillQuery) {
    return this.views.list(query);
  }

  @Get('kills/:id')
  @ApiResponse({ status: 200, standardSchema: KillView })
  show(@Param('id', { schema: BlockId }) id: BlockId) {
    return this.views.show(id);
  }

  /** By device and slot. */
  @Get('kills/:id/targets')
  @ApiResponse({ status: 200, standardSchema: pageOf(KillTargetView) })
  targets(@Param('id', { schema: BlockId }) id: BlockId, @Query({ schema: TargetQuery }) query: TargetQuery) {
    return this.views.targets(id, query);
  }

  @Get('blocks')
  @ApiResponse({ status: 200, standardSchema: pageOf(BlockView) })
  blocks(@Query({ schema: BlockQuery }) { all, ...query }: BlockQuery) {
    return this.views.blocksPage(query, all === 'false');
  }

  @Post('blocks/:id/lift')
  @HttpCode(200)
  @ApiResponse({ status: 200, standardSchema: BlockView })
  lift(
    @Param('id', { schema: BlockId }) id: BlockId,
    @Body({ schema: LiftRequest }) request: LiftRequest,
    @WhoAsks() { name }: Operator,
  ) {
    return this.kills.lift(id, request, name);
  }
}
