import { Inject, Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import type { FamilyName, Reading } from './families.js';

type Row = Readonly<Record<string, string | number | null> & { value: number }>;

const certificateDays = 7;

/** Each family that is one statement; the columns beside `value` are its labels. */
const statements: Partial<Record<FamilyName, string>> = {
  flotilla_certificates_expiring: `
    SELECT count(*)::float8 value FROM device WHERE status = 'active' AND certificate_expires_at < now() + interval '${certificateDays} days'`,
  flotilla_release_devices: `
    SELECT coalesce(r.model || '@' || r.version, s.digest) "release", count(*)::float8 value
    FROM slot_report s LEFT JOIN release r ON r.digest = s.digest WHERE s.digest IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1`,
  flotilla_rollouts: `SELECT phase, count(*)::float8 value FROM rollout GROUP BY phase ORDER BY 2 DESC`,
  flotilla_rollout_stage: `
    SELECT o.id::text rollout, coalesce(r.model || '@' || r.version, o.digest) "release", o.phase, coalesce((o.state ->> 'stage')::int, 0)::float8 value
    FROM rollout o LEFT JOIN release r ON r.digest = o.digest
    WHERE o.phase IN ('awaiting-approval', 'scheduled', 'running', 'paused', 'rolling-back') ORDER BY o.updated_at DESC, o.id`,
  flotilla_records_lost: `SELECT coalesce(sum(lost), 0)::float8 value FROM device_stream`,
  flotilla_dead_letters: `SELECT count(*)::float8 value FROM dead_letter WHERE at > now() - interval '1 day'`,
  flotilla_dispatch_waiting: `SELECT count(*)::float8 value FROM outbox`,
  flotilla_dispatch_oldest_seconds: `SELECT coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8 value FROM outbox`,
  flotilla_database_bytes: `SELECT pg_database_size(current_database())::float8 value`,
};

/** What the database knows of the fleet, in totals. */
@Injectable()
export class FleetFiguresRepository {
  constructor(@Inject(DataSource) private readonly db: DataSource) {}

  /** In one transaction, so that a scrape is one moment. */
  read(): Promise<[FamilyName, Reading[]][]> {
    return this.db.transaction('REPEATABLE READ', async (tx) => {
      const read: [FamilyName, Reading[]][] = [];
      for (const [family, sql] of Object.entries(statements))
        read.push([family as FamilyName, (await tx.query<Row[]>(sql)).map(readingOf)]);
      return read;
    });
  }
}

function readingOf({ value, ...labels }: Row): Reading {
  return { value, labels: Object.fromEntries(Object.entries(labels).map(([name, text]) => [name, String(text)])) };
}
