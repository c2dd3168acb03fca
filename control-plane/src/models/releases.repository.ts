import type { Digest, Manifest } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import { DataSource, type EntityManager, In } from 'typeorm';
import type { ListQuery } from '../listing.js';
import { AppError } from '../platform/errors.js';
import { ReleaseRow } from './release.entity.js';

@Injectable()
export class ReleasesRepository {
  constructor(@Inject(DataSource) private readonly db: DataSource) {}

  transaction<T>(work: (tx: EntityManager) => Promise<T>): Promise<T> {
    return this.db.transaction(work);
  }

  byDigest(digest: string): Promise<ReleaseRow | null> {
    return this.db.getRepository(ReleaseRow).findOneBy({ digest: digest as Digest });
  }

  byName(model: string, version: string): Promise<ReleaseRow | null> {
    return this.db.getRepository(ReleaseRow).findOneBy({ model, version });
  }

  /** Names only: manifests are large. */
  async namesOf(
    digests: readonly string[],
    tx: EntityManager = this.db.manager,
  ): Promise<Pick<ReleaseRow, 'digest' | 'model' | 'version'>[]> {
    if (digests.length === 0) return [];
    return tx.find(ReleaseRow, {
      where: { digest: In([...new Set(digests)]) },
      select: { digest: true, model: true, version: true },
    });
  }

  ofModel(model: string, version: string | null): Promise<Pick<ReleaseRow, 'digest'>[]> {
    const where = { model, ...(version === null ? {} : { version }) };
    return this.db.getRepository(ReleaseRow).find({ where, select: { digest: true } });
  }

  /** Newest names, of one model or of all. */
  latest(model: string | undefined, count: number): Promise<Pick<ReleaseRow, 'model' | 'version'>[]> {
    return this.db.getRepository(ReleaseRow).find({
      where: model === undefined ? {} : { model },
      select: { digest: true, model: true, version: true },
      order: { pushedAt: 'DESC', digest: 'DESC' },
      take: count,
    });
  }

  async list({ limit, cursor }: ListQuery, model: string | undefined): Promise<ReleaseRow[]> {
    const select = this.db.getRepository(ReleaseRow).createQueryBuilder('release');
    select
      .orderBy('release.pushedAt', 'DESC')
      .addOrderBy('release.digest', 'DESC')
      .take(limit + 1);
    if (model !== undefined) select.andWhere('release.model = :model', { model });
    if (cursor !== undefined) {
      const from = await this.byDigest(cursor);
      if (!from) throw new AppError('INVALID_REQUEST', `cursor: no release ${cursor}`);
      select.andWhere('(release.pushedAt, release.digest) < (:at, :digest)', { at: from.pushedAt, digest: from.digest });
    }
    return select.getMany();
  }

  count(): Promise<number> {
    return this.db.getRepository(ReleaseRow).count();
  }

  /** False where a release of that digest, or of that model and version, is there already. */
  async insert(digest: Digest, manifest: Manifest, pushedAt: Date, tx: EntityManager = this.db.manager): Promise<boolean> {
    const inserted = await tx
      .createQueryBuilder()
      .insert()
      .into(ReleaseRow)
      .values({ digest, model: manifest.model, version: manifest.version, manifest: manifest as object, pushedAt })
      .orIgnore()
      .returning(['digest'])
      .execute();
    return (inserted.raw as unknown[]).length > 0;
  }
}
