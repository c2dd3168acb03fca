import {
  ChangesQuery,
  CompareQuery,
  ExportQuery,
  Offenders,
  OffendersQuery,
  TailQuery,
  TelemetryAnswer,
  TelemetryChanges,
  TelemetryComparison,
  TelemetryQuery,
} from '@flotilla/protocol';
import { Controller, Get, Headers, Inject, Query, Res } from '@nestjs/common';
import { ApiHeader, ApiProduces, ApiResponse } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { AppError } from '../platform/errors.js';
import { ChangesService } from './changes.service.js';
import { ComparisonsService } from './comparisons.service.js';
import { ExportService } from './export.service.js';
import { OffendersService } from './offenders.service.js';
import { QueriesService } from './queries.service.js';
import { WindowStream } from './window-stream.js';

const tailed =
  'Server-sent events: `data` is a TailedWindow, `id` its id; a frame with an id alone says how far you are. `event: skipped` counts what was left out because you were too far behind, `event: end` says why the stream ends, `event: reset` that your id is ahead of the log.';

@Controller('api/v1/telemetry')
export class QueriesController {
  constructor(
    @Inject(QueriesService) private readonly queries: QueriesService,
    @Inject(ComparisonsService) private readonly comparisons: ComparisonsService,
    @Inject(OffendersService) private readonly offenders: OffendersService,
    @Inject(ChangesService) private readonly changes: ChangesService,
  ) {}

  @Get()
  @ApiResponse({ status: 200, standardSchema: TelemetryAnswer })
  query(@Query({ schema: TelemetryQuery }) query: TelemetryQuery) {
    return this.queries.answer(query);
  }

  /** Two releases, groups, devices … side by side. */
  @Get('compare')
  @ApiResponse({ status: 200, standardSchema: TelemetryComparison })
  compare(@Query({ schema: CompareQuery }) query: CompareQuery) {
    return this.comparisons.compare(query);
  }

  /** Devices that stand out, the worst first. */
  @Get('offenders')
  @ApiResponse({ status: 200, standardSchema: Offenders })
  worst(@Query({ schema: OffendersQuery }) query: OffendersQuery) {
    return this.offenders.worst(query);
  }

  /** What happened around a moment, and what was measured before and after it. */
  @Get('changes')
  @ApiResponse({ status: 200, standardSchema: TelemetryChanges })
  changed(@Query({ schema: ChangesQuery }) query: ChangesQuery) {
    return this.changes.around(query);
  }
}

@Controller('api/v1/telemetry')
export class TelemetryStreamsController {
  constructor(
    @Inject(WindowStream) private readonly stream: WindowStream,
    @Inject(ExportService) private readonly exports: ExportService,
  ) {}

  /** Windows as they are stored from now on, or behind an id, whichever control plane answers. */
  @Get('tail')
  @ApiProduces('text/event-stream')
  @ApiHeader({ name: 'Last-Event-ID', required: false, schema: { type: 'string', pattern: '^[0-9]{1,15}$' } })
  @ApiResponse({ status: 200, description: tailed, schema: { type: 'string' } })
  async tail(
    @Query({ schema: TailQuery }) { after, last, ...filter }: TailQuery,
    @Headers('last-event-id') lastId: string | undefined,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const known = lastId === undefined || lastId === '' ? after : placeOf(lastId);
    const place = known ?? (last > 0 ? await this.stream.lastOnes(last, filter) : undefined);
    this.stream.refuseTooMany();
    reply.hijack();
    reply.raw.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' });
    await this.stream.serve(reply.raw, filter, place);
  }

  /** A table as CSV or Parquet, sent while it is made. */
  @Get('export')
  @ApiProduces('text/csv', 'application/vnd.apache.parquet')
  @ApiResponse({ status: 200, description: 'The table', schema: { type: 'string', format: 'binary' } })
  async export(@Query({ schema: ExportQuery }) query: ExportQuery, @Res() reply: FastifyReply): Promise<void> {
    const gone = new AbortController();
    reply.raw.once('close', () => gone.abort());
    const { body, type, name } = await this.exports.open(query, gone.signal);
    await reply.type(type).header('content-disposition', `attachment; filename="${name}"`).send(body);
  }
}

function placeOf(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new AppError('INVALID_REQUEST', 'Last-Event-ID: it is not an id of a window');
}
