import type { BlockId, DeviceId, Digest, SlotName } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import { DataSource, type EntityManager, IsNull } from 'typeorm';
import { AppError } from '../platform/errors.js';
import { BlockRow } from './block.entity.js';

export type Named = Pick<BlockRow, 'model' | 'version' | 'group'>;
type Standing = Pick<BlockRow, 'id' | 'group' | 'reason'> & { digests: Digest[] };
/** Releases that no device may run, and those that some may not: pairs, by place in both lists. */
export type Forbidden = { everywhere: string[]; digests: string[]; devices: string[] };

/** What a slot goes back to: the newest that it committed, of what is known and not forbidden. `slot`: a row with device and slot. */
export const lastGoodSql = (slot: string, [everywhere, digests, devices]: readonly [string, string, string]) =>
  `SELECT c.digest FROM slot_commit c JOIN release r ON r.digest = c.digest
   WHERE c.device = ${slot}.device AND c.slot = ${slot}.slot AND NOT c.digest = ANY(${everywhere}::text[])
     AND (c.digest, c.device) NOT IN (SELECT * FROM unnest(${digests}::text[], ${devices}::text[]))
   ORDER BY c.at DESC, c.digest LIMIT 1`;

@Injectable()
export class BlocksRepository {
  constructor(@Inject(DataSource) private readonly db: DataSource) {}

  transaction<T>(work: (tx: EntityManager) => Promise<T>): Promise<T> {
    return this.db.transaction(work);
  }

  /** Each offer's first word: while it holds these, no kill of them gets ahead, and what it reads afterwards is all there is. */
  async share(tx: EntityManager, digests: readonly string[]): Promise<void> {
    await tx.query(`SELECT 1 FROM release WHERE digest = ANY($1::text[]) ORDER BY digest FOR SHARE`, [digests]);
  }

  /** A kill's first word: waits for the offers under way, and keeps the next ones waiting. */
  async claim(tx: EntityManager, { model, version }: Pick<Named, 'model' | 'version'>): Promise<Digest[]> {
    // Of a whole model: what is being pushed is waited for, too, and no other version is pushed meanwhile.
    if (version === null) await tx.query('LOCK TABLE release IN SHARE MODE');
    const rows = await tx.query<{ digest: Digest }[]>(
      `SELECT digest FROM release WHERE model = $1 AND ($2::text IS NULL OR version = $2) ORDER BY digest FOR UPDATE`,
      [model, version],
    );
    return rows.map(({ digest }) => digest);
  }

  /** Blocks in force, with every release that each of them means now. */
  async standing(tx: EntityManager): Promise<Standing[]> {
    return tx.query<Standing[]>(
      `SELECT b.id, b.group_name "group", b.reason,
              array(SELECT unnest(b.digests) UNION
                    SELECT r.digest FROM release r WHERE r.model = b.model AND (b.version IS NULL OR r.version = b.version)) digests
       FROM block b WHERE b.lifted_at IS NULL ORDER BY b.at, b.id`,
    );
  }

  async lastGood(
    tx: EntityManager,
    slots: readonly { device: DeviceId; slot: SlotName }[],
    { everywhere, digests, devices }: Forbidden,
  ): Promise<Map<DeviceId, Digest>> {
    const rows = await tx.query<{ device: DeviceId; digest: Digest }[]>(
      `SELECT s.device, good.digest FROM unnest($1::text[], $2::text[]) s(device, slot)
       JOIN LATERAL (${lastGoodSql('s', ['$3', '$4', '$5'])}) good ON true`,
      [slots.map((s) => s.device), slots.map((s) => s.slot), everywhere, digests, devices],
    );
    return new Map(rows.map(({ device, digest }) => [device, digest]));
  }

  /** What these devices have run, or were to run before it was taken away. */
  run(tx: EntityManager, devices: readonly DeviceId[]): Promise<{ device: DeviceId; slot: SlotName; digest: Digest }[]> {
    return tx.query(
      `SELECT device, slot, digest FROM slot_commit WHERE device = ANY($1)
       UNION SELECT device, slot, digest FROM kill_target WHERE device = ANY($1) ORDER BY device, slot, digest`,
      [devices],
    );
  }

  async byId(id: string, tx: EntityManager = this.db.manager): Promise<BlockRow> {
    const row = await tx.findOneBy(BlockRow, { id: id as BlockId });
    if (!row) throw new AppError('BLOCK_NOT_FOUND', `no block or kill ${id}; \`flotilla blocks list --all\` names them`);
    return row;
  }

  locked(tx: EntityManager, id: BlockId): Promise<BlockRow | null> {
    return tx.findOne(BlockRow, { where: { id }, lock: { mode: 'pessimistic_write' } });
  }

  /** The one in force that says the very same. */
  same(tx: EntityManager, { model, version, group }: Named): Promise<BlockRow | null> {
    return tx.findOneBy(BlockRow, { model, version: version ?? IsNull(), group: group ?? IsNull(), liftedAt: IsNull() });
  }

  async save(tx: EntityManager, row: BlockRow): Promise<void> {
    await tx.upsert(BlockRow, row as object, ['id']);
  }

  all(): Promise<BlockRow[]> {
    return this.db.manager.find(BlockRow, { order: { at: 'ASC', id: 'ASC' } });
  }

  async list(query: { limit: number; cursor?: string | undefined; inForce?: boolean | undefined }): Promise<BlockRow[]> {
    const select = this.db.getRepository(BlockRow).createQueryBuilder('block');
    select
      .orderBy('block.at', 'DESC')
      .addOrderBy('block.id', 'DESC')
      .take(query.limit + 1);
    if (query.inForce) select.andWhere('block.liftedAt IS NULL');
    if (query.cursor !== undefined) {
      const { at, id } = await this.byId(query.cursor);
      select.andWhere('(block.at, block.id) < (:at, :id)', { at, id });
    }
    return select.getMany();
  }

  countInForce(): Promise<number> {
    return this.db.getRepository(BlockRow).countBy({ liftedAt: IsNull() });
  }
}
