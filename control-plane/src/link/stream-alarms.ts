import { Inject, Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { EventsService } from '../events/events.service.js';
import type { Logger } from '../platform/logger.js';
import { LOGGER } from '../platform/tokens.js';
import type { StreamClaim } from './streams.js';

/** Two devices with one outbox, as after copying a disk: said once per pair, however often it sends. */
@Injectable()
export class StreamAlarms {
  readonly #raised = new Set<string>();

  constructor(
    @Inject(DataSource) private readonly db: DataSource,
    @Inject(EventsService) private readonly events: EventsService,
    @Inject(LOGGER) private readonly log: Logger,
  ) {}

  async raise({ device, stream }: StreamClaim): Promise<void> {
    const pair = `${device} ${stream}`;
    if (this.#raised.has(pair)) return;
    // A device can make up streams without end; forgetting them all costs a repeated alarm.
    if (this.#raised.size >= 10_000) this.#raised.clear();
    this.#raised.add(pair);
    const message = `${device} sends from the outbox of another device or key: was its disk copied?`;
    try {
      await this.events.append(this.db, { kind: 'stream-conflict', actor: 'flotilla', device, message, data: { stream } });
    } catch (error) {
      this.#raised.delete(pair);
      this.log.warn({ err: error, device }, 'an alarm could not be recorded');
    }
  }
}
