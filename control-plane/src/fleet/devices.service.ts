import type { DeviceId, DeviceView } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { z } from 'zod';
import { EventsService } from '../events/events.service.js';
import { type Page, ListQuery, pageFrom } from '../listing.js';
import { ReleasesService } from '../models/releases.service.js';
import { AppError } from '../platform/errors.js';
import type { DeviceRow } from './device.entity.js';
import { DeviceLifecycle, type NewDevice } from './device-lifecycle.js';
import { deviceViews } from './device-view.js';
import { DevicesRepository } from './devices.repository.js';
import { groupByName } from './groups.repository.js';
import { checkLabels } from './labels.js';
import { matches, parseSelector } from './selector.js';

export const DeviceQuery = ListQuery.extend({
  /** A selector: only active devices that it names. */
  selector: z.string().min(1).max(1000).optional(),
  status: z.enum(['active', 'revoked']).optional(),
});
export type DeviceQuery = z.infer<typeof DeviceQuery>;

@Injectable()
export class DevicesService {
  constructor(
    @Inject(DevicesRepository) private readonly devices: DevicesRepository,
    @Inject(ReleasesService) private readonly releases: ReleasesService,
    @Inject(DeviceLifecycle) private readonly lifecycle: DeviceLifecycle,
    @Inject(EventsService) private readonly events: EventsService,
  ) {}

  enrol(tx: EntityManager, device: NewDevice): Promise<void> {
    return this.lifecycle.enrol(tx, device);
  }

  remove(id: DeviceId): Promise<void> {
    return this.lifecycle.remove(id);
  }

  retire(id: DeviceId): Promise<DeviceRow> {
    return this.lifecycle.retire(id);
  }

  async get(id: DeviceId): Promise<DeviceView> {
    const [view] = await this.views([await this.devices.byId(id)]);
    return view!;
  }

  async list(query: DeviceQuery): Promise<Page<DeviceView>> {
    const rows = query.selector === undefined ? await this.devices.list(query) : await this.selected(query, query.selector);
    const page = pageFrom(rows, query.limit, (row) => row.id);
    return { ...page, items: await this.views(page.items) };
  }

  count(): Promise<{ total: number; online: number }> {
    return this.devices.count();
  }

  /** Active devices only, by id. */
  async match(tx: EntityManager, by: { target: string } | { group: string }): Promise<DeviceRow[]> {
    if ('target' in by) return this.matching(by.target, tx);
    const group = await groupByName(tx, by.group);
    return group.selector === null ? this.devices.activeMembers(tx, by.group) : this.matching(group.selector, tx);
  }

  active(tx: EntityManager, ids: readonly DeviceId[]): Promise<DeviceRow[]> {
    return this.devices.activeAmong(tx, ids);
  }

  /** Names of the slots that any of these devices has reported. */
  async reportedSlots(ids: readonly DeviceId[]): Promise<ReadonlySet<string>> {
    return new Set((await this.devices.slots(ids)).reports.map(({ slot }) => slot));
  }

  async setLabels(id: DeviceId, labels: Record<string, string>): Promise<DeviceView> {
    checkLabels(labels);
    await this.devices.transaction(async (tx) => {
      await this.devices.mustLock(tx, id);
      await this.devices.update(tx, id, { labels });
      // Labels decide on groups, and groups on configuration: where that is another now, the epoch rises as it is sent.
      await this.devices.sendDesired(tx, id);
      const message = `labels of ${id} are now ${inWords(labels)}`;
      await this.events.append(tx, { kind: 'device-labelled', actor: 'admin', device: id, message, data: { labels } });
    });
    return this.get(id);
  }

  private async selected(query: DeviceQuery, selector: string): Promise<DeviceRow[]> {
    const rows = (await this.matching(selector)).toSorted(newestFirst);
    const from = query.cursor === undefined ? 0 : rows.findIndex((row) => row.id === query.cursor) + 1;
    if (query.cursor !== undefined && from === 0)
      throw new AppError('INVALID_REQUEST', `cursor: ${query.cursor} is not among the devices of "${selector}"`);
    return query.status === 'revoked' ? [] : rows.slice(from, from + query.limit + 1);
  }

  private async matching(selector: string, tx?: EntityManager): Promise<DeviceRow[]> {
    const terms = parseSelector(selector);
    return (await this.devices.active(tx)).filter((device) => matches(terms, device));
  }

  private async views(rows: readonly DeviceRow[]): Promise<DeviceView[]> {
    const slots = await this.devices.slots(rows.map((row) => row.id));
    const digests = [...slots.assignments, ...slots.reports].flatMap(({ digest }) => digest ?? []);
    return deviceViews(rows, { ...slots, names: await this.releases.namesOf(digests) });
  }
}

const newestFirst = (a: DeviceRow, b: DeviceRow) => b.enrolledAt.getTime() - a.enrolledAt.getTime() || (a.id < b.id ? 1 : -1);

const inWords = (labels: Record<string, string>) =>
  Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(', ') || 'none';
