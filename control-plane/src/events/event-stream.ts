import type { EventView } from '@flotilla/protocol';
import { Inject, Injectable, type OnModuleDestroy } from '@nestjs/common';
import type { ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { AppError } from '../platform/errors.js';
import type { Logger } from '../platform/logger.js';
import { LOGGER } from '../platform/tokens.js';
import { frameOf, placeFrame, resetFrame } from './event-frames.js';
import { EventTail } from './event-tail.js';
import { type EventFilter, EventsService } from './events.service.js';
import { pour, StreamEnd } from './pour.js';

const mostReaders = 100;
const pageSize = 200;
const keepAliveMs = 15_000;
const slowAfterMs = 30_000;
const lastsMs = 3_600_000;

/** The event log as it grows. Each reader has its own place in it and reads from there: nothing is kept in memory for it. */
@Injectable()
export class EventStream implements OnModuleDestroy {
  readonly #readers = new Set<AbortController>();
  #closed = false;

  constructor(
    @Inject(EventTail) private readonly tail: EventTail,
    @Inject(EventsService) private readonly events: EventsService,
    @Inject(LOGGER) private readonly log: Logger,
  ) {}

  /** Before the answer begins: a refusal is still a problem document. */
  refuseTooMany(): void {
    if (this.#closed || this.#readers.size >= mostReaders)
      throw new AppError('TOO_MANY_REQUESTS', `${mostReaders} readers follow the events already: ask again later`);
  }

  /** Until the reader goes, or is ended. `after`: the id that it had last; absent, it begins now. */
  async serve(response: ServerResponse, filter: EventFilter, after: number | undefined): Promise<void> {
    const reader = new AbortController();
    this.#readers.add(reader);
    const renew = setTimeout(() => reader.abort(new StreamEnd('renew')), lastsMs);
    response.once('close', () => reader.abort(new StreamEnd('failed')));
    try {
      await pour(this.frames(filter, after, reader.signal), response, { slowAfterMs, signal: reader.signal });
    } catch (error) {
      this.log.warn({ err: error }, 'a stream of events ended early');
    } finally {
      clearTimeout(renew);
      this.#readers.delete(reader);
    }
  }

  onModuleDestroy(): void {
    this.#closed = true;
    for (const reader of this.#readers) reader.abort(new StreamEnd('shutdown'));
  }

  private async *frames(filter: EventFilter, after: number | undefined, signal: AbortSignal): AsyncGenerator<string> {
    const end = await this.tail.end();
    if (after !== undefined && after > end) yield resetFrame(after, end);
    let at = Math.min(after ?? end, end);
    yield placeFrame(at);
    while (!signal.aborted) {
      const until = await this.endBeyond(at, signal);
      if (until === undefined) {
        yield placeFrame(at);
        continue;
      }
      for await (const page of this.pages(at, until, filter)) for (const event of page) yield frameOf(event);
      at = until;
    }
  }

  private async *pages(from: number, until: number, filter: EventFilter): AsyncGenerator<EventView[]> {
    for (let at = from; ;) {
      const page = await this.events.between(at, until, filter, pageSize);
      yield page;
      const last = page.at(-1);
      if (page.length < pageSize || !last) return;
      at = last.id;
    }
  }

  /** Undefined: nothing came for so long that the reader should hear that we are there. */
  private async endBeyond(at: number, signal: AbortSignal): Promise<number | undefined> {
    const silence = new AbortController();
    const ended = AbortSignal.any([signal, silence.signal]);
    const timer = delay(keepAliveMs, undefined, { signal: ended, ref: false }).then(
      () => silence.abort(),
      () => undefined,
    );
    try {
      return await this.tail.beyond(at, ended);
    } finally {
      silence.abort();
      await timer;
    }
  }
}
