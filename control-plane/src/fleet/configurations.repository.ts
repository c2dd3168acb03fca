import {
  canonicalJson,
  type ConfigurationReport,
  type ConfigurationScope,
  type ConfigurationView,
  type DeviceId,
} from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import { Any, DataSource, type EntityManager, In } from 'typeorm';
import type { ListQuery } from '../listing.js';
import { ConfigurationReportRow, ConfigurationRow, ConfigurationVersionRow } from './configuration.entity.js';
import { GroupMemberRow } from './group.entity.js';

/** Whose configuration it is. */
export type Owner = { scope: ConfigurationScope; name: string };
export type NewVersion = Pick<ConfigurationVersionRow, 'priority' | 'slots' | 'comment' | 'actor'>;

@Injectable()
export class ConfigurationsRepository {
  constructor(@Inject(DataSource) private readonly db: DataSource) {}

  transaction<T>(work: (tx: EntityManager) => Promise<T>): Promise<T> {
    return this.db.transaction(work);
  }

  /** One change of one owner's configuration at a time, the first one too, for which there is no row yet. */
  async lock(tx: EntityManager, { scope, name }: Owner): Promise<void> {
    await tx.query(`SELECT pg_advisory_xact_lock(hashtextextended($1, 0))`, [`configuration/${scope}/${name}`]);
  }

  /** The newest version, be it a deletion; null where there never was one. */
  newest({ scope, name }: Owner, tx: EntityManager = this.db.manager): Promise<ConfigurationVersionRow | null> {
    return tx.findOne(ConfigurationVersionRow, { where: { scope, name }, order: { version: 'DESC' } });
  }

  version({ scope, name }: Owner, version: number, tx: EntityManager = this.db.manager): Promise<ConfigurationVersionRow | null> {
    return tx.findOneBy(ConfigurationVersionRow, { scope, name, version });
  }

  /** The version before this one that is no deletion. */
  async before({ scope, name }: Owner, version: number, tx: EntityManager): Promise<ConfigurationVersionRow | null> {
    return tx
      .createQueryBuilder(ConfigurationVersionRow, 'v')
      .where('v.scope = :scope and v.name = :name and v.version < :version and v.slots is not null', { scope, name, version })
      .orderBy('v.version', 'DESC')
      .getOne();
  }

  async write(
    tx: EntityManager,
    { scope, name }: Owner,
    { priority, slots, comment, actor }: NewVersion,
  ): Promise<ConfigurationVersionRow> {
    const version = ((await this.newest({ scope, name }, tx))?.version ?? 0) + 1;
    const row = { scope, name, version, priority, slots, comment, actor };
    const { raw } = await tx
      .createQueryBuilder()
      .insert()
      .into(ConfigurationVersionRow)
      .values({ ...row, slots: slots as object | null, at: () => 'now()' })
      .returning(['at'])
      .execute();
    if (slots === null) await tx.delete(ConfigurationRow, { scope, name });
    else await tx.upsert(ConfigurationRow, { scope, name, version, priority, slots: slots as object }, ['scope', 'name']);
    return { ...row, at: (raw as { at: Date }[])[0]!.at };
  }

  /** Those in force that are the devices' own or of any group: who belongs to which, the caller finds out. */
  async inForce(tx: EntityManager, devices: readonly DeviceId[]): Promise<ConfigurationRow[]> {
    return tx.find(ConfigurationRow, { where: [{ scope: 'group' }, { scope: 'device', name: Any(devices) }] });
  }

  members(tx: EntityManager, groups: readonly string[], devices: readonly DeviceId[]): Promise<GroupMemberRow[]> {
    return tx.findBy(GroupMemberRow, { group: In(groups), device: Any(devices) });
  }

  /** Newest first, one more than the limit; the cursor is `scope/name`. */
  async list({ limit, cursor }: ListQuery): Promise<ConfigurationVersionRow[]> {
    const select = this.db
      .createQueryBuilder(ConfigurationVersionRow, 'v')
      .innerJoin(ConfigurationRow.options.name, 'c', 'c.scope = v.scope and c.name = v.name and c.version = v.version')
      .orderBy('v.at', 'DESC')
      .addOrderBy('v.scope', 'DESC')
      .addOrderBy('v.name', 'DESC')
      .take(limit + 1);
    const [scope, name] = cursor?.split('/') ?? [];
    const from = name === undefined ? null : await this.newest({ scope: scope as ConfigurationScope, name });
    if (from) select.where('(v.at, v.scope, v.name) < (:at, :scope, :name)', from);
    return select.getMany();
  }

  async versions({ scope, name }: Owner, limit: number, below: number | undefined): Promise<ConfigurationVersionRow[]> {
    const select = this.db
      .createQueryBuilder(ConfigurationVersionRow, 'v')
      .where('v.scope = :scope and v.name = :name', { scope, name })
      .orderBy('v.version', 'DESC')
      .take(limit + 1);
    if (below !== undefined) select.andWhere('v.version < :below', { below });
    return select.getMany();
  }

  reportOf(device: DeviceId): Promise<ConfigurationReportRow | null> {
    return this.db.getRepository(ConfigurationReportRow).findOneBy({ device });
  }

  /** A report of an earlier epoch that comes late changes nothing. True: it says something new. */
  async saveReport(
    tx: EntityManager,
    device: DeviceId,
    { epoch, digest, slots, refused }: ConfigurationReport,
  ): Promise<boolean> {
    const before = await tx.findOne(ConfigurationReportRow, { where: { device }, lock: { mode: 'pessimistic_write' } });
    const isNews = !before || canonicalJson(said(before)) !== canonicalJson(said({ digest: digest ?? null, slots, refused }));
    await tx.query(
      `INSERT INTO configuration_report (device, epoch, digest, slots, refused, at) VALUES ($1, $2, $3, $4::jsonb, $5::jsonb, now())
       ON CONFLICT (device) DO UPDATE SET epoch = excluded.epoch, digest = excluded.digest, slots = excluded.slots,
         refused = excluded.refused, at = excluded.at WHERE configuration_report.epoch <= excluded.epoch`,
      [device, epoch, digest ?? null, JSON.stringify(slots), JSON.stringify(refused)],
    );
    return isNews && (!before || before.epoch <= epoch);
  }
}

const said = ({ digest, slots, refused }: Pick<ConfigurationReportRow, 'digest' | 'slots' | 'refused'>) => ({
  digest,
  slots,
  refused,
});

export const viewOf = ({
  scope,
  name,
  version,
  priority,
  slots,
  comment,
  actor,
  at,
}: ConfigurationVersionRow): ConfigurationView => ({
  scope,
  name,
  version,
  priority,
  ...(comment !== null && { comment }),
  actor,
  at: at.toISOString(),
  ...(slots !== null && { slots }),
});
