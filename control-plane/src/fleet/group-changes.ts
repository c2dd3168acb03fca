import type { DeviceId, GroupChange, GroupCreate, GroupName } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { EventsService } from '../events/events.service.js';
import { AppError } from '../platform/errors.js';
import { type Precondition, tagOf } from '../platform/preconditions.js';
import { CLOCK, type Clock } from '../platform/tokens.js';
import { dynamicOf, refuseCycle } from './group-graph.js';
import type { GroupRow } from './group.entity.js';
import { GroupMemberships } from './group-memberships.js';
import { GroupsRepository } from './groups.repository.js';
import { MembershipRepository } from './membership.repository.js';
import { refuseUnknownGroups } from './selection.js';

export const groupTag = ({ revision }: { revision: string }) => tagOf(revision);

type Listed = Record<'add' | 'remove', readonly DeviceId[]>;

/** Groups as they are made, changed and removed: one at a time, and their members with them. */
@Injectable()
export class GroupChanges {
  constructor(
    @Inject(GroupsRepository) private readonly groups: GroupsRepository,
    @Inject(MembershipRepository) private readonly members: MembershipRepository,
    @Inject(GroupMemberships) private readonly memberships: GroupMemberships,
    @Inject(EventsService) private readonly events: EventsService,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  create(request: GroupCreate): Promise<void> {
    const { name } = request;
    const selector = 'selector' in request ? request.selector : null;
    return this.alone(async (tx) => {
      if (selector !== null) await this.check(tx, name, selector);
      const created = await this.groups.insert(tx, { name, selector, createdAt: this.clock.now(), evaluatedAt: null });
      if (!created) throw new AppError('GROUP_EXISTS', `group ${name} exists already; remove it first or choose another name`);
      if ('devices' in request) await this.list(tx, name, { add: request.devices, remove: [] });
      else await this.memberships.groupChanged(tx, name);
      const data = selector === null ? {} : { selector };
      await this.events.append(tx, { kind: 'group-created', actor: 'admin', message: `created group ${name}`, data });
    });
  }

  change(name: GroupName, change: GroupChange, precondition: Precondition): Promise<void> {
    if (!('add' in change)) precondition.mustBeGiven('selector' in change ? 'the selector' : 'the list of devices');
    return this.alone(async (tx) => {
      const row = await this.groups.byName(name, tx);
      precondition.check(`group ${name}`, groupTag(row));
      if ('selector' in change) await this.select(tx, row, change.selector);
      else await this.relist(tx, row, change);
      await this.groups.revise(tx, name);
    });
  }

  remove(name: GroupName, precondition: Precondition): Promise<void> {
    return this.alone(async (tx) => {
      precondition.check(`group ${name}`, groupTag(await this.groups.byName(name, tx)));
      if (await this.groups.hasConfiguration(tx, name))
        throw new AppError(
          'GROUP_IN_USE',
          `group ${name} has a configuration: delete that first with \`flotilla configurations delete group/${name}\``,
        );
      if (await this.groups.hasBlock(tx, name))
        throw new AppError('GROUP_IN_USE', `a release is blocked on group ${name}: lift that first (\`flotilla blocks list\`)`);
      const user = (await this.memberships.definitions(tx)).find(({ groups }) => groups.includes(name));
      if (user)
        throw new AppError('GROUP_IN_USE', `group ${user.name} names group ${name} in its selector: change or remove that first`);
      await this.groups.remove(tx, name);
      await this.events.append(tx, { kind: 'group-removed', actor: 'admin', message: `removed group ${name}` });
    });
  }

  private async select(tx: EntityManager, { name, selector: before }: GroupRow, selector: string): Promise<void> {
    if (before === null)
      throw new AppError(
        'INVALID_REQUEST',
        `group ${name} lists its devices: give \`devices\`, \`add\` or \`remove\`, no selector`,
      );
    if (await this.groups.hasBlock(tx, name))
      throw new AppError(
        'GROUP_IN_USE',
        `a release is blocked on group ${name}, and must stay so for whoever is in it: lift that first`,
      );
    await this.check(tx, name, selector);
    await this.groups.setSelector(tx, name, selector);
    await this.memberships.groupChanged(tx, name);
    const message = `group ${name} is now ${selector}, before ${before}`;
    await this.events.append(tx, { kind: 'group-changed', actor: 'admin', message, data: { selector, before } });
  }

  private async relist(tx: EntityManager, row: GroupRow, change: Exclude<GroupChange, { selector: string }>): Promise<void> {
    const { name } = row;
    if (row.selector !== null)
      throw new AppError('INVALID_REQUEST', `group ${name} has a selector, ${row.selector}: give another selector, no devices`);
    const { add, remove } = 'devices' in change ? await this.difference(tx, name, change.devices) : change;
    const changed = await this.list(tx, name, { add, remove });
    if (changed.length === 0) return;
    const data = { added: add.slice(0, 1000), removed: remove.slice(0, 1000) };
    const message = `group ${name} has ${changed.length} ${changed.length === 1 ? 'device' : 'devices'} more or fewer`;
    await this.events.append(tx, { kind: 'group-changed', actor: 'admin', message, data });
  }

  private async difference(tx: EntityManager, name: GroupName, devices: readonly DeviceId[]): Promise<Listed> {
    const before = await this.groups.listed(tx, name);
    const wanted = new Set(devices);
    return { add: devices, remove: before.filter((device) => !wanted.has(device)) };
  }

  private async list(tx: EntityManager, name: GroupName, { add, remove }: Listed): Promise<DeviceId[]> {
    const both = add.find((device) => remove.includes(device));
    if (both !== undefined) throw new AppError('INVALID_REQUEST', `${both} is to be added and removed`);
    const unknown = await this.groups.unknownAmong(tx, add);
    if (unknown.length > 0) throw new AppError('DEVICE_NOT_FOUND', `no active device ${unknown.slice(0, 10).join(', ')}`);
    const changed = await this.members.list(tx, name, { add: [...new Set(add)], remove });
    await this.memberships.listChanged(tx, name, changed);
    return changed;
  }

  private async check(tx: EntityManager, name: GroupName, text: string): Promise<void> {
    const wanted = dynamicOf(name, text);
    refuseCycle(await this.memberships.definitions(tx), wanted);
    await refuseUnknownGroups(tx, wanted.selector);
  }

  private alone(work: (tx: EntityManager) => Promise<void>): Promise<void> {
    return this.groups.transaction(async (tx) => {
      await this.memberships.lock(tx);
      await work(tx);
    });
  }
}
