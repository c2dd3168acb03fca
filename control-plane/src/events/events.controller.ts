import { EventView, pageOf } from '@flotilla/protocol';
import { Controller, Get, Headers, Inject, Query, Res } from '@nestjs/common';
import { ApiHeader, ApiProduces, ApiResponse } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { AppError } from '../platform/errors.js';
import { EventStream } from './event-stream.js';
import { EventQuery, EventsService, EventStreamQuery } from './events.service.js';

const description =
  'Server-sent events: `data` is an EventView, `id` its id; a frame with an id alone says how far you are. `event: end` says why the stream ends, `event: reset` that your id is ahead of the log.';

@Controller('api/v1/events')
export class EventsController {
  constructor(
    @Inject(EventsService) private readonly events: EventsService,
    @Inject(EventStream) private readonly stream: EventStream,
  ) {}

  @Get()
  @ApiResponse({ status: 200, standardSchema: pageOf(EventView) })
  list(@Query({ schema: EventQuery }) query: EventQuery) {
    return this.events.list(query);
  }

  /** What happens from now on, or behind an id: each event once, in order, whichever control plane answers. */
  @Get('stream')
  @ApiProduces('text/event-stream')
  @ApiHeader({ name: 'Last-Event-ID', required: false, schema: { type: 'string', pattern: '^[0-9]{1,9}$' } })
  @ApiResponse({ status: 200, description, schema: { type: 'string' } })
  async follow(
    @Query({ schema: EventStreamQuery }) { after, ...filter }: EventStreamQuery,
    @Headers('last-event-id') lastId: string | undefined,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const place = lastId === undefined || lastId === '' ? after : placeOf(lastId);
    this.stream.refuseTooMany();
    reply.hijack();
    reply.raw.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' });
    await this.stream.serve(reply.raw, filter, place);
  }
}

function placeOf(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new AppError('INVALID_REQUEST', 'Last-Event-ID: it is not an id of an event');
}
