import type { DeviceId, DeviceView, StatusView } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { z } from 'zod';
import { type Page, ListQuery, pageFrom } from '../listing.js';
import { ReleasesService } from '../models/releases.service.js';
import { AppError } from '../platform/errors.js';
import { CLOCK, type Clock } from '../platform/tokens.js';
import type { DeviceRow } from './device.entity.js';
import { DeviceEnrolment, type NewDevice, type Terms } from './device-enrolment.js';
import { deviceViews } from './device-view.js';
import { DevicesRepository, type Member } from './devices.repository.js';
import { groupByName } from './groups.repository.js';
import { parseSelector } from './selector.js';

export const DeviceQuery = ListQuery.extend({
  /** A selector: only active devices that it names. */
  selector: z.string().min(1).max(1000).optional(),
  status: z.enum(['active', 'pending', 'revoked']).optional(),
});
/** `purge`: what the device sent is deleted, too. */
export const RemoveQuery = z.object({ purge: z.stringbool().default(false) });
export type RemoveQuery = z.infer<typeof RemoveQuery>;
export type DeviceQuery = z.infer<typeof DeviceQuery>;

@Injectable()
export class DevicesService {
  constructor(
    @Inject(DevicesRepository) private readonly devices: DevicesRepository,
    @Inject(ReleasesService) private readonly releases: ReleasesService,
    @Inject(DeviceEnrolment) private readonly enrolment: DeviceEnrolment,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  enrol(tx: EntityManager, device: NewDevice, terms?: Terms): Promise<void> {
    return this.enrolment.enrol(tx, device, terms);
  }

  async get(id: DeviceId): Promise<DeviceView> {
    const [view] = await this.views([await this.devices.byId(id)]);
    return view!;
  }

  async list(query: DeviceQuery): Promise<Page<DeviceView>> {
    const selector = query.selector === undefined ? undefined : parseSelector(query.selector);
    const rows = await this.devices.list({ ...query, selector });
    const page = pageFrom(rows, query.limit, (row) => row.id);
    return { ...page, items: await this.views(page.items) };
  }

  count(): Promise<StatusView['devices']> {
    return this.devices.count();
  }

  /** Active devices only, by id. */
  async match(tx: EntityManager, by: { target: string } | { group: string }): Promise<DeviceRow[]> {
    if ('target' in by) return this.devices.matching(parseSelector(by.target), tx);
    const { name } = await groupByName(tx, by.group);
    return this.devices.activeMembers(tx, name);
  }

  /** The same, as little of each as a plan needs. */
  async members(tx: EntityManager, by: { target: string } | { group: string }): Promise<Member[]> {
    if ('target' in by) return this.devices.members(tx, { selector: parseSelector(by.target) });
    const { name } = await groupByName(tx, by.group);
    return this.devices.members(tx, { group: name });
  }

  /** Whether another board may take its place. */
  async refuseGone(id: DeviceId): Promise<void> {
    const { status } = await this.devices.byId(id);
    if (status === 'revoked')
      throw new AppError(
        'DEVICE_REVOKED',
        `device ${id} has been removed: enrol a new one with \`flotilla tokens create --name ${id}\``,
      );
  }

  statuses(tx: EntityManager, ids: readonly DeviceId[]): Promise<ReadonlyMap<DeviceId, DeviceRow['status']>> {
    return this.devices.statuses(tx, ids);
  }

  active(tx: EntityManager, ids: readonly DeviceId[]): Promise<DeviceRow[]> {
    return this.devices.activeAmong(tx, ids);
  }

  /** Names of the slots that any of these devices has reported. */
  async reportedSlots(ids: readonly DeviceId[]): Promise<ReadonlySet<string>> {
    return new Set((await this.devices.slots(ids)).reports.map(({ slot }) => slot));
  }

  private async views(rows: readonly DeviceRow[]): Promise<DeviceView[]> {
    const ids = rows.map((row) => row.id);
    const [slots, groups] = await Promise.all([this.devices.slots(ids), this.devices.groupsOf(ids)]);
    const digests = [...slots.assignments, ...slots.reports].flatMap(({ digest }) => digest ?? []);
    return deviceViews(rows, { ...slots, groups, names: await this.releases.namesOf(digests), at: this.clock.now() });
  }
}
