import { Inject, Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { IdempotentRequestRow } from './idempotency.entity.js';

const keptMs = 24 * 3_600_000;
/** Old ones go a few at a time, with the requests that come: no night's work, no long locks. */
const forgottenAtOnce = 100;

const forget = `
  DELETE FROM idempotent_request WHERE id IN
    (SELECT id FROM idempotent_request WHERE created_at < $1 LIMIT ${forgottenAtOnce} FOR UPDATE SKIP LOCKED)`;

/** One of the requests that come at the same time gets a row; an outdated row counts as none. */
const begin = `
  INSERT INTO idempotent_request AS known (id, request_hash, state, created_at) VALUES ($1, $2, 'running', $3)
  ON CONFLICT (id) DO UPDATE
    SET request_hash = excluded.request_hash, state = 'running', status = NULL, answer = NULL, created_at = excluded.created_at
    WHERE known.created_at < $4
  RETURNING id`;

@Injectable()
export class IdempotencyRepository {
  constructor(@Inject(DataSource) private readonly db: DataSource) {}

  /** Null: the request is the first with this key, and recorded as running. Else what is known of the first. */
  async begin(id: string, requestHash: string, now: Date): Promise<IdempotentRequestRow | null> {
    const outdated = new Date(now.getTime() - keptMs);
    await this.db.query(forget, [outdated]);
    const begun = await this.db.query<unknown[]>(begin, [id, requestHash, now, outdated]);
    if (begun.length > 0) return null;
    // Gone in this very moment: the first failed without effect, and this one is the first now.
    return (await this.db.getRepository(IdempotentRequestRow).findOneBy({ id })) ?? this.begin(id, requestHash, now);
  }

  async done(id: string, status: number, answer: Buffer): Promise<void> {
    await this.db.getRepository(IdempotentRequestRow).update({ id }, { state: 'done', status, answer });
  }

  async outcomeUnknown(id: string): Promise<void> {
    await this.db.getRepository(IdempotentRequestRow).update({ id }, { state: 'unknown' });
  }

  /** Nothing came of it: the key may be used again. */
  async release(id: string): Promise<void> {
    await this.db.getRepository(IdempotentRequestRow).delete({ id });
  }
}
