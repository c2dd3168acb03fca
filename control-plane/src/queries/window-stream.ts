import type { TelemetryFilter } from '@flotilla/protocol';
import { Inject, Injectable, type OnModuleDestroy } from '@nestjs/common';
import type { ServerResponse } from 'node:http';
import { DataSource } from 'typeorm';
import { framesBetween, placeFrame, skippedFrame } from '../events/event-frames.js';
import { LogTail } from '../events/log-tail.js';
import { Readers } from '../events/readers.js';
import type { Logger } from '../platform/logger.js';
import { CLOCK, type Clock, LOGGER } from '../platform/tokens.js';
import { TailRepository } from './tail.repository.js';

/** A reader further behind has no use for all of it: it goes on with the last ones. */
const mostBehind = 2000;
const lastIds = 200;
const lookBackMs = 86_400_000;

/** Windows as they are stored, by whichever control plane. */
@Injectable()
export class WindowStream implements OnModuleDestroy {
  readonly #readers: Readers;

  constructor(
    @Inject(DataSource) db: DataSource,
    @Inject(TailRepository) private readonly windows: TailRepository,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(LOGGER) log: Logger,
  ) {
    this.#readers = new Readers(new LogTail(db, 'telemetry_window'), log, 'windows');
  }

  refuseTooMany(): void {
    this.#readers.refuseTooMany();
  }

  /** Where to begin, to be told the last `count` windows of the last day first. */
  lastOnes(count: number, filter: TelemetryFilter): Promise<number | undefined> {
    return this.windows.placeBefore(count, filter, new Date(this.clock.now().getTime() - lookBackMs));
  }

  serve(response: ServerResponse, filter: TelemetryFilter, after: number | undefined): Promise<void> {
    return this.#readers.serve(response, (from, until) => this.frames(from, until, filter), after);
  }

  onModuleDestroy(): void {
    this.#readers.close();
  }

  /** Each time as many as there are now: what waits for a slow reader lies in the database. */
  private async *frames(from: number, until: number, filter: TelemetryFilter): AsyncGenerator<string> {
    let at = from;
    const behind = until - from > mostBehind ? await this.windows.count(from, until, filter) : 0;
    if (behind > mostBehind) {
      at = until - lastIds;
      yield skippedFrame(await this.windows.count(from, at, filter));
      yield placeFrame(at);
    }
    yield* framesBetween(at, until, (since, to, count) => this.windows.between(since, to, filter, count));
  }
}
