import type { EventView } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import { z } from 'zod';
import { type Page, ListQuery, pageFrom } from '../listing.js';
import { AppError } from '../platform/errors.js';
import { CLOCK, type Clock } from '../platform/tokens.js';
import { EventRow } from './event.entity.js';

/** `kind` names one kind, or several separated by commas. */
const EventFilter = z.object({
  device: z.string().max(64).optional(),
  rollout: z.uuid().optional(),
  kind: z.string().max(500).optional(),
});
export type EventFilter = z.infer<typeof EventFilter>;

/** Ids are 32 bits wide. */
const eventId = z.coerce
  .number()
  .int()
  .max(2 ** 31 - 1);
export const EventQuery = ListQuery.extend({ ...EventFilter.shape, cursor: eventId.min(1).optional() });
export type EventQuery = z.infer<typeof EventQuery>;
export const EventStreamQuery = EventFilter.extend({ after: eventId.min(0).optional() });
export type EventStreamQuery = z.infer<typeof EventStreamQuery>;

export interface NewEvent {
  kind: string;
  actor: string;
  device?: string;
  rollout?: string;
  message: string;
  data?: Record<string, unknown>;
}

/** The append-only log: written in the transaction of what it tells, so that neither is there without the other. */
@Injectable()
export class EventsService {
  constructor(
    @Inject(DataSource) private readonly db: DataSource,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  append(tx: EntityManager | DataSource, event: NewEvent): Promise<void> {
    return this.appendAll(tx, [event]);
  }

  /** In this order, in one statement. */
  async appendAll(tx: EntityManager | DataSource, events: readonly NewEvent[]): Promise<void> {
    if (events.length === 0) return;
    const at = this.clock.now();
    await tx.query(
      `INSERT INTO event (at, kind, actor, device, rollout, message, data)
       SELECT $1, kind, actor, device, rollout, message, data::jsonb
       FROM unnest($2::text[], $3::text[], $4::text[], $5::uuid[], $6::text[], $7::text[])
         WITH ORDINALITY e(kind, actor, device, rollout, message, data, n) ORDER BY n`,
      [
        at,
        events.map((event) => event.kind),
        events.map((event) => event.actor),
        events.map((event) => event.device ?? null),
        events.map((event) => event.rollout ?? null),
        events.map((event) => event.message),
        events.map((event) => JSON.stringify(event.data ?? {})),
      ],
    );
  }

  async list(query: EventQuery): Promise<Page<EventView>> {
    const rows = await this.page(query).getMany();
    const page = pageFrom(rows, query.limit, (row) => String(row.id));
    return { ...page, items: page.items.map(viewOf) };
  }

  /** Oldest first: behind `after`, up to and with `until`. */
  async between(after: number, until: number, filter: EventFilter, limit: number): Promise<EventView[]> {
    const select = this.select(filter).orderBy('event.id', 'ASC').take(limit);
    select.andWhere('event.id > :after AND event.id <= :until', { after, until });
    return (await select.getMany()).map(viewOf);
  }

  private page({ limit, cursor, ...filter }: EventQuery) {
    const select = this.select(filter)
      .orderBy('event.id', 'DESC')
      .take(limit + 1);
    return cursor === undefined ? select : select.andWhere('event.id < :cursor', { cursor });
  }

  private select({ device, rollout, kind }: EventFilter) {
    const select = this.db.getRepository(EventRow).createQueryBuilder('event');
    if (device !== undefined) select.andWhere('event.device = :device', { device });
    if (rollout !== undefined) select.andWhere('event.rollout = :rollout', { rollout });
    if (kind !== undefined) select.andWhere('event.kind = any(:kinds)', { kinds: kindsIn(kind) });
    return select;
  }
}

function kindsIn(text: string): string[] {
  const kinds = text.split(',').map((kind) => kind.trim());
  if (kinds.some((kind) => kind === '')) throw new AppError('INVALID_REQUEST', `kind: an empty name in "${text}"`);
  return kinds;
}

const viewOf = (row: EventRow): EventView => ({
  id: row.id,
  at: row.at.toISOString(),
  kind: row.kind,
  actor: row.actor,
  ...(row.device !== null && { device: row.device }),
  ...(row.rollout !== null && { rollout: row.rollout }),
  message: row.message,
  data: row.data,
});
