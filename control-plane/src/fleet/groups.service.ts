import type { GroupChange, GroupCreate, GroupName, GroupPreview, GroupPreviewRequest, GroupView } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import { type ListQuery, type Page, pageFrom } from '../listing.js';
import { type Dynamic, dynamicOf, factsOf } from './group-graph.js';
import type { GroupRow } from './group.entity.js';
import type { Precondition } from '../platform/preconditions.js';
import { GroupChanges } from './group-changes.js';
import { GroupMemberships } from './group-memberships.js';
import { GroupsRepository } from './groups.repository.js';
import { refuseUnknownGroups } from './selection.js';

/** A group lists its members, or says by a selector who belongs to it at any time. */
@Injectable()
export class GroupsService {
  constructor(
    @Inject(GroupsRepository) private readonly groups: GroupsRepository,
    @Inject(GroupChanges) private readonly changes: GroupChanges,
    @Inject(GroupMemberships) private readonly memberships: GroupMemberships,
  ) {}

  async create(request: GroupCreate): Promise<GroupView> {
    await this.changes.create(request);
    return this.show(request.name);
  }

  async change(name: GroupName, change: GroupChange, precondition: Precondition): Promise<GroupView> {
    await this.changes.change(name, change, precondition);
    return this.show(name);
  }

  remove(name: GroupName, precondition: Precondition): Promise<void> {
    return this.changes.remove(name, precondition);
  }

  async preview({ selector, group }: GroupPreviewRequest): Promise<GroupPreview> {
    const wanted = dynamicOf(group ?? ('' as GroupName), selector);
    const all = await this.groups.transaction(async (tx) => {
      if (group !== undefined) await this.groups.byName(group, tx);
      await refuseUnknownGroups(tx, wanted.selector);
      return this.memberships.definitions(tx);
    });
    const { wanted: members, joining, leaving } = await this.groups.compare(wanted.selector, group);
    const facts = factsOf(byName([...all, wanted]), wanted.name);
    return { ...members, facts, ...(group !== undefined && { joining, leaving }) };
  }

  async show(name: GroupName): Promise<GroupView> {
    const [view] = await this.views([await this.groups.byName(name)]);
    return view!;
  }

  async list({ limit, cursor }: ListQuery): Promise<Page<GroupView>> {
    const page = pageFrom(await this.groups.list(limit, cursor), limit, (row) => row.name);
    return { ...page, items: await this.views(page.items) };
  }

  private async views(rows: readonly GroupRow[]): Promise<GroupView[]> {
    const members = await this.groups.membersOf(rows.map((row) => row.name));
    const all = byName(await this.groups.transaction((tx) => this.memberships.definitions(tx)));
    return rows.map(({ name, selector, revision }) => ({
      name,
      revision,
      ...(selector !== null && { selector }),
      ...members.get(name)!,
      facts: factsOf(all, name),
    }));
  }
}

const byName = (groups: readonly Dynamic[]) => new Map<string, Dynamic>(groups.map((group) => [group.name, group]));
