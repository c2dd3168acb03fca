import type { TelemetryChanges, TelemetryFilter } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { binder } from './query.repository.js';
import { devicesWhere } from './question-sql.js';

type KindRow = Readonly<{ kind: string; count: number; devices: number; first: Date; last: Date; example: string }>;
type EventRow = Readonly<{ at: Date; kind: string; actor: string; device: string | null; message: string }>;

/** What every device tells as it goes along. */
const chatty = `(kind LIKE 'update-%' OR kind IN ('device-online', 'device-offline', 'rollout-joined', 'rollout-passed-by', 'telemetry'))`;
const mostEvents = 100;

/** The event log between two moments: what is of no device, and what is of devices that were asked for. */
@Injectable()
export class ChangesRepository {
  constructor(@Inject(DataSource) private readonly db: DataSource) {}

  async between(from: Date, to: Date, filter: TelemetryFilter): Promise<Pick<TelemetryChanges, 'kinds' | 'events'>> {
    const { values, bind } = binder();
    const meant = `event.at >= ${bind(from)} AND event.at < ${bind(to)} AND ${devicesMeant(filter, bind)}`;
    const kinds = await this.db.query<KindRow[]>(
      `SELECT kind, count(*)::int count, count(DISTINCT device)::int devices, min(at) "first", max(at) "last",
              (array_agg(message ORDER BY id DESC))[1] example
       FROM event WHERE ${meant} GROUP BY kind ORDER BY min(id)`,
      values,
    );
    const events = await this.db.query<EventRow[]>(
      `SELECT at, kind, actor, device, message FROM event WHERE ${meant} AND NOT ${chatty} ORDER BY id DESC LIMIT ${mostEvents}`,
      values,
    );
    return { kinds: kinds.map(kindOf), events: events.map(eventOf) };
  }
}

function devicesMeant(filter: TelemetryFilter, bind: (value: unknown) => string): string {
  const { device, group, selector, hardwareClass } = filter;
  if ([device, group, selector, hardwareClass].every((its) => its === undefined)) return 'TRUE';
  return `(event.device IS NULL OR EXISTS (SELECT 1 FROM device WHERE device.id = event.device AND ${devicesWhere(filter, bind)}))`;
}

const kindOf = ({ first, last, ...kind }: KindRow) => ({ ...kind, first: first.toISOString(), last: last.toISOString() });
const eventOf = ({ at, device, ...event }: EventRow) => ({ ...event, at: at.toISOString(), ...(device !== null && { device }) });
