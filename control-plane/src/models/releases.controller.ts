import { Manifest, ModelName, pageOf, ReleaseName, ReleaseView } from '@flotilla/protocol';
import { Body, Controller, Get, HttpStatus, Inject, Param, Post, Query, Res } from '@nestjs/common';
import { ApiResponse } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { ListQuery } from '../listing.js';
import { ReleasesService } from './releases.service.js';

const ReleaseQuery = ListQuery.extend({ model: ModelName.optional() });
type ReleaseQuery = z.infer<typeof ReleaseQuery>;

@Controller('api/v1/releases')
export class ReleasesController {
  constructor(@Inject(ReleasesService) private readonly releases: ReleasesService) {}

  @Post()
  @ApiResponse({ status: 201, description: 'Pushed', standardSchema: ReleaseView })
  @ApiResponse({ status: 200, description: 'The same content was there already', standardSchema: ReleaseView })
  async push(@Body({ schema: Manifest }) manifest: Manifest, @Res({ passthrough: true }) reply: FastifyReply) {
    const { release, created } = await this.releases.push(manifest);
    reply.code(created ? HttpStatus.CREATED : HttpStatus.OK);
    return release;
  }

  @Get()
  @ApiResponse({ status: 200, standardSchema: pageOf(ReleaseView) })
  list(@Query({ schema: ReleaseQuery }) query: ReleaseQuery) {
    return this.releases.list(query);
  }

  @Get(':name')
  @ApiResponse({ status: 200, standardSchema: ReleaseView })
  show(@Param('name', { schema: ReleaseName }) name: string) {
    return this.releases.show(name);
  }
}
