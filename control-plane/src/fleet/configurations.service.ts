import {
  canonicalJson,
  type ConfigurationChange,
  type ConfigurationFile,
  type ConfigurationRollback,
  type ConfigurationView,
  type DeviceId,
} from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { z } from 'zod';
import { nameOf } from '../core/configuration.js';
import { EventsService } from '../events/events.service.js';
import { ListQuery, type Page, pageFrom } from '../listing.js';
import { AppError } from '../platform/errors.js';
import { Precondition, tagOf } from '../platform/preconditions.js';
import type { ConfigurationVersionRow } from './configuration.entity.js';
import { ConfigurationSpread, type Reach } from './configuration-spread.js';
import { ConfigurationsRepository, type NewVersion, type Owner, viewOf } from './configurations.repository.js';

/** The cursor is a version. */
export const VersionsQuery = ListQuery.extend({
  cursor: z.coerce
    .number()
    .int()
    .min(1)
    .max(2 ** 31 - 1)
    .optional(),
});
export type VersionsQuery = z.infer<typeof VersionsQuery>;

type Written = Pick<NewVersion, 'slots' | 'priority' | 'comment'>;
type Done = { row: ConfigurationVersionRow; changed: boolean; devices: number; reach: Reach };

/** What gateways are to do, for a group or a device, in versions that nobody changes afterwards. */
@Injectable()
export class ConfigurationsService {
  constructor(
    @Inject(ConfigurationsRepository) private readonly configurations: ConfigurationsRepository,
    @Inject(ConfigurationSpread) private readonly spread: ConfigurationSpread,
    @Inject(EventsService) private readonly events: EventsService,
  ) {}

  push(file: ConfigurationFile, precondition = new Precondition()): Promise<ConfigurationChange> {
    const owner: Owner =
      file.group === undefined ? { scope: 'device', name: file.device! } : { scope: 'group', name: file.group };
    const written = { slots: file.slots, priority: file.priority ?? 0, comment: file.comment ?? null };
    return this.change(owner, 'configuration-pushed', (_tx, newest) => {
      precondition.check(nameOf(owner), inForceTag(newest));
      return Promise.resolve(written);
    });
  }

  /** The old version's content becomes a new version: what was in force when is never rewritten. */
  rollBack(
    owner: Owner,
    { version, comment }: ConfigurationRollback,
    precondition = new Precondition(),
  ): Promise<ConfigurationChange> {
    return this.change(owner, 'configuration-rolled-back', async (tx, newest) => {
      precondition.check(nameOf(owner), inForceTag(newest));
      const old = await this.wanted(tx, owner, version, newest);
      return { slots: old.slots, priority: old.priority, comment: comment ?? `back to version ${old.version}` };
    });
  }

  async delete(owner: Owner, precondition = new Precondition()): Promise<void> {
    await this.change(owner, 'configuration-deleted', async (_tx, newest) => {
      if (!newest?.slots) throw notFound(owner);
      precondition.check(nameOf(owner), inForceTag(newest));
      return { slots: null, priority: newest.priority, comment: null };
    });
  }

  /** In force now, or as it was with that version. */
  async show(owner: Owner, version: number | undefined): Promise<ConfigurationView> {
    const row = await (version === undefined ? this.configurations.newest(owner) : this.configurations.version(owner, version));
    if (!row || (version === undefined && row.slots === null)) throw notFound(owner, version);
    return viewOf(row);
  }

  async list(query: ListQuery): Promise<Page<ConfigurationView>> {
    const page = pageFrom(await this.configurations.list(query), query.limit, nameOf);
    return { ...page, items: page.items.map(viewOf) };
  }

  async versions(owner: Owner, { limit, cursor }: VersionsQuery): Promise<Page<ConfigurationView>> {
    const page = pageFrom(await this.configurations.versions(owner, limit, cursor), limit, (row) => String(row.version));
    if (page.items.length === 0 && cursor === undefined) throw notFound(owner);
    return { ...page, items: page.items.map(viewOf) };
  }

  private async change(
    owner: Owner,
    kind: string,
    written: (tx: EntityManager, newest: ConfigurationVersionRow | null) => Promise<Written>,
  ): Promise<ConfigurationChange> {
    const done = await this.configurations.transaction(async (tx): Promise<Done> => {
      await this.configurations.lock(tx, owner);
      const reach = await this.spread.reach(tx, owner);
      const newest = await this.configurations.newest(owner, tx);
      const next = await written(tx, newest);
      if (newest && says(newest) === says(next)) return { row: newest, changed: false, devices: 0, reach };
      if (owner.scope === 'device' && reach.devices.length === 0 && next.slots !== null)
        throw new AppError('DEVICE_NOT_FOUND', `no active device ${owner.name}; nothing was changed`);
      const row = await this.configurations.write(tx, owner, { ...next, actor: 'admin' });
      const devices = await this.spread.raise(tx, reach);
      await this.tell(tx, kind, row, devices);
      return { row, changed: true, devices, reach };
    });
    if (done.changed) await this.configurations.transaction((tx) => this.spread.latecomers(tx, done.reach));
    const notes = await this.spread.notes(done.reach, Object.keys(done.row.slots ?? {}));
    return { configuration: viewOf(done.row), changed: done.changed, devices: done.devices, notes };
  }

  private async wanted(
    tx: EntityManager,
    owner: Owner,
    version: number | undefined,
    newest: ConfigurationVersionRow | null,
  ): Promise<ConfigurationVersionRow> {
    if (!newest) throw notFound(owner);
    const old =
      version === undefined
        ? await this.configurations.before(owner, newest.version, tx)
        : await this.configurations.version(owner, version, tx);
    if (old?.slots) return old;
    const why =
      version === undefined ? 'has no version before' : old ? `was deleted with version ${version}` : `has no version ${version}`;
    throw new AppError('CONFIGURATION_NOT_FOUND', `${nameOf(owner)} ${why}: there is nothing to go back to`);
  }

  private async tell(tx: EntityManager, kind: string, row: ConfigurationVersionRow, devices: number): Promise<void> {
    const { scope, name, version, comment, slots } = row;
    const what = slots === null ? 'deleted' : `is now version ${version}`;
    const message = `configuration of ${nameOf(row)} ${what}; ${devices} ${devices === 1 ? 'device is' : 'devices are'} sent it${comment === null ? '' : ` (${comment})`}`;
    const data = { scope, name, version, slots: Object.keys(slots ?? {}), devices };
    const device = scope === 'device' ? { device: name as DeviceId } : {};
    await this.events.append(tx, { kind, actor: row.actor, ...device, message, data });
  }
}

export const configurationTag = ({ version }: { version: number }) => tagOf(version);
const inForceTag = (newest: ConfigurationVersionRow | null) => (newest?.slots ? configurationTag(newest) : undefined);

/** A comment alone makes no new version. */
const says = ({ slots, priority }: Written) => canonicalJson({ slots, priority });

const notFound = (owner: Owner, version?: number) =>
  new AppError(
    'CONFIGURATION_NOT_FOUND',
    version === undefined
      ? `${nameOf(owner)} has no configuration`
      : `the configuration of ${nameOf(owner)} has no version ${version}`,
  );
