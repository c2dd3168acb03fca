import { Inject, Injectable } from '@nestjs/common';
import { DataSource, type EntityManager, QueryFailedError } from 'typeorm';
import { EventsService } from '../events/events.service.js';

export const partitioned = ['telemetry_window', 'vitals'] as const;
export type Partitioned = (typeof partitioned)[number];
type Partition = Readonly<{ name: string; from: Date | null; to: Date | null; isDefault: boolean }>;

const dayMs = 86_400_000;
/** A control plane that is away for less finds its partitions made. */
export const daysAhead = 7;
/** Any constant of our own: replicas that start together make partitions one after another. */
const partitionLock = 7_041_970_514;
/** Nobody's writes wait for longer behind a partition that is in use. */
const lockTimeoutMs = 2000;

/** Bounds come as text in the session's time zone, with its offset: read back as they were written. */
const partitionsSql = `
  SELECT c.relname name, (regexp_match(bound, 'FROM \\(''([^'']+)''\\)'))[1]::timestamptz "from",
         (regexp_match(bound, 'TO \\(''([^'']+)''\\)'))[1]::timestamptz "to", bound = 'DEFAULT' "isDefault"
  FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid, pg_get_expr(c.relpartbound, c.oid) bound
  WHERE i.inhparent = to_regclass($1) ORDER BY "to"`;

/** Tables of windows and vitals: one partition for each day (UTC) on which they are received. */
@Injectable()
export class Partitions {
  constructor(
    @Inject(DataSource) private readonly db: DataSource,
    @Inject(EventsService) private readonly events: EventsService,
  ) {}

  /** Makes those of today and the days ahead that are missing; says which days have to go on in the default partition. */
  async ensure(now: Date): Promise<string[]> {
    const stuck: string[] = [];
    for (const table of partitioned) {
      const there = await this.of(table);
      for (const day of missingDays(there, now)) if (!(await this.make(table, day))) stuck.push(nameOf(table, day));
    }
    return stuck;
  }

  tellMissing(partition: string): Promise<void> {
    const message = `partition ${partition} was not there when its first rows came: they are kept in the default one, and deleted there row by row`;
    return this.events.append(this.db, { kind: 'partition-missing', actor: 'flotilla', message, data: { partition } });
  }

  /** Drops those whose last moment is before `before`; says which. */
  async dropBefore(before: Date): Promise<string[]> {
    const dropped: string[] = [];
    for (const table of partitioned) {
      for (const { name, to } of await this.of(table)) {
        if (to === null || to > before) continue;
        await this.inTurn((tx) => tx.query(`DROP TABLE "${name}"`));
        dropped.push(name);
      }
    }
    return dropped;
  }

  /** Whose rows are of many days: no partition of one day. */
  async manyDays(table: Partitioned): Promise<string[]> {
    return (await this.of(table)).filter(({ from }) => from === null).map(({ name }) => name);
  }

  /** False where the default partition has rows of that day already: they stay there, and so do those that follow. */
  private async make(table: Partitioned, day: Date): Promise<boolean> {
    const name = nameOf(table, day);
    const bounds = [day, new Date(day.getTime() + dayMs)].map((at) => `('${at.toISOString()}')`).join(' TO ');
    try {
      // Made apart and then attached: unlike PARTITION OF, that lets everybody go on writing into the other partitions.
      await this.inTurn(async (tx) => {
        const [{ found }] = await tx.query<[{ found: string | null }]>('SELECT to_regclass($1) found', [name]);
        if (found !== null) return;
        await tx.query(`CREATE TABLE "${name}" (LIKE "${table}" INCLUDING DEFAULTS INCLUDING CONSTRAINTS)`);
        await tx.query(`ALTER TABLE "${table}" ATTACH PARTITION "${name}" FOR VALUES FROM ${bounds}`);
      });
      return true;
    } catch (error) {
      if (error instanceof QueryFailedError && (error.driverError as { code?: string }).code === checkViolation) return false;
      throw error;
    }
  }

  private of(table: Partitioned): Promise<Partition[]> {
    return this.db.query(partitionsSql, [table]);
  }

  private inTurn(work: (tx: EntityManager) => Promise<unknown>): Promise<void> {
    return this.db.transaction(async (tx) => {
      await tx.query(`SELECT pg_advisory_xact_lock($1), set_config('lock_timeout', $2, true)`, [
        partitionLock,
        `${lockTimeoutMs}ms`,
      ]);
      await work(tx);
    });
  }
}

const checkViolation = '23514';
const nameOf = (table: string, day: Date) => `${table}_${day.toISOString().slice(0, 10).replaceAll('-', '')}`;

function missingDays(there: readonly Partition[], now: Date): Date[] {
  const today = Math.floor(now.getTime() / dayMs) * dayMs;
  const days = Array.from({ length: daysAhead + 1 }, (_, i) => new Date(today + i * dayMs));
  return days.filter((day) => !there.some(({ from, to }) => to !== null && (from === null || from <= day) && to > day));
}
