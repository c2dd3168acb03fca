import type { GroupCreate, GroupName, GroupView } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import { EventsService } from '../events/events.service.js';
import { type ListQuery, type Page, pageFrom } from '../listing.js';
import { AppError } from '../platform/errors.js';
import { CLOCK, type Clock } from '../platform/tokens.js';
import { DevicesRepository } from './devices.repository.js';
import type { GroupRow } from './group.entity.js';
import { GroupsRepository } from './groups.repository.js';
import { matches, parseSelector } from './selector.js';

/** A group lists its members, or says by a selector who belongs to it at any time. */
@Injectable()
export class GroupsService {
  constructor(
    @Inject(GroupsRepository) private readonly groups: GroupsRepository,
    @Inject(DevicesRepository) private readonly devices: DevicesRepository,
    @Inject(EventsService) private readonly events: EventsService,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  async create(request: GroupCreate): Promise<GroupView> {
    const { name } = request;
    const selector = 'selector' in request ? request.selector : null;
    if (selector !== null) parseSelector(selector);
    await this.groups.transaction(async (tx) => {
      const created = await this.groups.insert(tx, { name, selector, createdAt: this.clock.now() });
      if (!created) throw new AppError('GROUP_EXISTS', `group ${name} exists already; remove it first or choose another name`);
      if ('devices' in request) {
        const devices = [...new Set(request.devices)];
        const unknown = await this.groups.unknownAmong(tx, devices);
        if (unknown.length > 0) throw new AppError('DEVICE_NOT_FOUND', `no active device ${unknown.slice(0, 10).join(', ')}`);
        await this.groups.addMembers(tx, name, devices);
      }
      const data = selector === null ? {} : { selector };
      await this.events.append(tx, { kind: 'group-created', actor: 'admin', message: `created group ${name}`, data });
    });
    return this.show(name);
  }

  async show(name: GroupName): Promise<GroupView> {
    const [view] = await this.views([await this.groups.byName(name)]);
    return view!;
  }

  async list({ limit, cursor }: ListQuery): Promise<Page<GroupView>> {
    const page = pageFrom(await this.groups.list(limit, cursor), limit, (row) => row.name);
    return { ...page, items: await this.views(page.items) };
  }

  async remove(name: GroupName): Promise<void> {
    await this.groups.transaction(async (tx) => {
      await this.groups.byName(name, tx);
      if (await this.groups.hasConfiguration(tx, name))
        throw new AppError(
          'GROUP_IN_USE',
          `group ${name} has a configuration: delete that first with \`flotilla configurations delete group/${name}\``,
        );
      if (await this.groups.hasBlock(tx, name))
        throw new AppError('GROUP_IN_USE', `a release is blocked on group ${name}: lift that first (\`flotilla blocks list\`)`);
      await this.groups.remove(tx, name);
      await this.events.append(tx, { kind: 'group-removed', actor: 'admin', message: `removed group ${name}` });
    });
  }

  private async views(rows: readonly GroupRow[]): Promise<GroupView[]> {
    const listed = Map.groupBy(await this.groups.membersOf(rows.map((row) => row.name)), (member) => member.group);
    const active = rows.some((row) => row.selector !== null) ? await this.devices.active() : [];
    return rows.map(({ name, selector }) => {
      if (selector === null) return { name, members: (listed.get(name) ?? []).map((member) => member.device) };
      const terms = parseSelector(selector);
      return { name, selector, members: active.filter((device) => matches(terms, device)).map((device) => device.id) };
    });
  }
}
