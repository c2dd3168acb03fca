import { Inject, Injectable, type OnModuleDestroy } from '@nestjs/common';
import type { ServerResponse } from 'node:http';
import { DataSource } from 'typeorm';
import type { Logger } from '../platform/logger.js';
import { LOGGER } from '../platform/tokens.js';
import { framesBetween } from './event-frames.js';
import { type EventFilter, EventsService } from './events.service.js';
import { LogTail } from './log-tail.js';
import { Readers } from './readers.js';

/** The event log as it grows. */
@Injectable()
export class EventStream implements OnModuleDestroy {
  readonly #readers: Readers;

  constructor(
    @Inject(DataSource) db: DataSource,
    @Inject(EventsService) private readonly events: EventsService,
    @Inject(LOGGER) log: Logger,
  ) {
    this.#readers = new Readers(new LogTail(db, 'event'), log, 'events');
  }

  refuseTooMany(): void {
    this.#readers.refuseTooMany();
  }

  serve(response: ServerResponse, filter: EventFilter, after: number | undefined): Promise<void> {
    const between = (from: number, until: number, count: number) => this.events.between(from, until, filter, count);
    return this.#readers.serve(response, (from, until) => framesBetween(from, until, between), after);
  }

  onModuleDestroy(): void {
    this.#readers.close();
  }
}
