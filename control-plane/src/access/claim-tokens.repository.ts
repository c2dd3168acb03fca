import type { DeviceId } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import { DeviceRow } from '../fleet/device.entity.js';
import { AppError } from '../platform/errors.js';
import { ClaimTokenRow } from './claim-token.entity.js';

@Injectable()
export class ClaimTokensRepository {
  constructor(@Inject(DataSource) private readonly db: DataSource) {}

  transaction<T>(work: (tx: EntityManager) => Promise<T>): Promise<T> {
    return this.db.transaction(work);
  }

  /** PostgreSQL takes 65,535 parameters a statement; a row has eleven. */
  async insert(tx: EntityManager, rows: readonly ClaimTokenRow[]): Promise<void> {
    for (let from = 0; from < rows.length; from += 1000)
      await tx.insert(ClaimTokenRow, rows.slice(from, from + 1000) as object[]);
  }

  /** Locked: of two boards with one token, the second waits and finds it used. */
  bySecret(tx: EntityManager, secretHash: string): Promise<ClaimTokenRow | null> {
    return tx.findOne(ClaimTokenRow, { where: { secretHash }, lock: { mode: 'pessimistic_write' } });
  }

  device(id: DeviceId, tx: EntityManager = this.db.manager): Promise<DeviceRow | null> {
    return tx.findOneBy(DeviceRow, { id });
  }

  async markUsed(tx: EntityManager, id: string, use: Pick<ClaimTokenRow, 'usedAt' | 'keyThumbprint' | 'device'>): Promise<void> {
    await tx.update(ClaimTokenRow, { id }, use);
  }

  /** Used, or run out, before that; how many. */
  async deleteOlder(before: Date): Promise<number> {
    const [, deleted] = await this.db.query<[unknown, number]>(
      `DELETE FROM claim_token WHERE coalesce(used_at, expires_at) < $1`,
      [before],
    );
    return deleted;
  }

  /** Newest first, one more than the limit. */
  async list({ limit, cursor }: { limit: number; cursor?: string | undefined }): Promise<ClaimTokenRow[]> {
    const select = this.db.getRepository(ClaimTokenRow).createQueryBuilder('token');
    select
      .orderBy('token.createdAt', 'DESC')
      .addOrderBy('token.id', 'DESC')
      .take(limit + 1);
    if (cursor !== undefined) {
      const after = await this.db.getRepository(ClaimTokenRow).findOneBy({ id: cursor });
      if (!after) throw new AppError('INVALID_REQUEST', `cursor: no claim token ${cursor}`);
      select.andWhere('(token.createdAt, token.id) < (:createdAt, :id)', after);
    }
    return select.getMany();
  }
}
