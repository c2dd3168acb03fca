import { Inject, Injectable, type OnModuleDestroy } from '@nestjs/common';
import type { ServerResponse } from 'node:http';
import { DataSource } from 'typeorm';
import type { Logger } from '../platform/logger.js';
import { LOGGER } from '../platform/tokens.js';
import { frameOf } from './event-frames.js';
import { type EventFilter, EventsService } from './events.service.js';
import { LogTail } from './log-tail.js';
import { Readers } from './readers.js';

const pageSize = 200;

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
    return this.#readers.serve(response, (from, until) => this.frames(from, until, filter), after);
  }

  onModuleDestroy(): void {
    this.#readers.close();
  }

  private async *frames(from: number, until: number, filter: EventFilter): AsyncGenerator<string> {
    for (let at = from; ;) {
      const page = await this.events.between(at, until, filter, pageSize);
      for (const event of page) yield frameOf(event);
      const last = page.at(-1);
      if (page.length < pageSize || !last) return;
      at = last.id;
    }
  }
}
