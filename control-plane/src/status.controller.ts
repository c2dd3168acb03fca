import { StatusView } from '@flotilla/protocol';
import { Controller, Get, HttpStatus, Inject, Res } from '@nestjs/common';
import { ApiExcludeEndpoint, ApiResponse } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { StatusService } from './status.service.js';

@Controller()
export class StatusController {
  constructor(@Inject(StatusService) private readonly status: StatusService) {}

  @Get('api/v1/status')
  @ApiResponse({ status: 200, standardSchema: StatusView })
  show(): Promise<StatusView> {
    return this.status.view();
  }

  /** The process answers. */
  @Get('healthz')
  @ApiExcludeEndpoint()
  alive() {
    return { ok: true };
  }

  /** It can do its work: the database answers, the broker link is up. */
  @Get('readyz')
  @ApiExcludeEndpoint()
  async ready(@Res({ passthrough: true }) reply: FastifyReply) {
    const parts = await this.status.readiness();
    const ok = Object.values(parts).every(Boolean);
    reply.code(ok ? HttpStatus.OK : HttpStatus.SERVICE_UNAVAILABLE);
    return { ok, ...parts };
  }
}
