import type { DeviceId, GroupName } from '@flotilla/protocol';
import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { affectedBy, anyway, type Dynamic, dynamicOf, factsOf, levelsOf, ofGroup } from './group-graph.js';
import { MembershipRepository } from './membership.repository.js';

/** What changed about devices: `label:KEY`, a fact by its name, or `status` for one that comes or goes. */
type ChangedKeys = Iterable<string>;

/**
 * Keeps the table of members in step with what their selectors read, in the transaction that changes it: only the devices that
 * changed are looked at, for only the groups that read what changed.
 */
@Injectable()
export class GroupMemberships implements OnApplicationBootstrap {
  constructor(@Inject(MembershipRepository) private readonly members: MembershipRepository) {}

  /** Groups of a version that looked for their members each time are looked through once. */
  async onApplicationBootstrap(): Promise<void> {
    await this.members.transaction(async (tx) => {
      const unknown = await this.members.neverEvaluated(tx);
      if (unknown.length === 0) return;
      await this.members.lockDefinitions(tx);
      await this.follow(tx, new Set(unknown.map((name) => `${self}${name}`)), null);
    });
  }

  /** The last thing of its transaction, after every lock that it needs: else two of them could wait for each other. */
  async devicesChanged(tx: EntityManager, devices: readonly DeviceId[], keys: ChangedKeys): Promise<void> {
    const changed = new Set(keys);
    if (devices.length === 0 || changed.size === 0) return;
    await this.members.shareDefinitions(tx);
    const affected = affectedBy(await this.definitions(tx), changed);
    if (affected.length === 0) return;
    await this.members.lockDevices(tx, devices);
    await this.settle(tx, affected, changed, devices);
  }

  /** To be asked for before a group is made, changed or removed: no device changes meanwhile. */
  lock(tx: EntityManager): Promise<void> {
    return this.members.lockDefinitions(tx);
  }

  /** Under the lock: this group has another selector. */
  groupChanged(tx: EntityManager, name: GroupName): Promise<void> {
    return this.follow(tx, new Set([`${self}${name}`]), null);
  }

  /** Under the lock: a list with other members than before. */
  async listChanged(tx: EntityManager, name: GroupName, devices: readonly DeviceId[]): Promise<void> {
    if (devices.length > 0) await this.follow(tx, new Set([`${ofGroup}${name}`]), devices);
  }

  /** What devices report that decides on who is in the group, itself or by groups that it names. */
  async factsOf(tx: EntityManager, name: GroupName): Promise<string[]> {
    const all = new Map<string, Dynamic>((await this.definitions(tx)).map((group) => [group.name, group]));
    return factsOf(all, name);
  }

  async definitions(tx: EntityManager): Promise<Dynamic[]> {
    return (await this.members.selectors(tx)).map(({ name, selector }) => dynamicOf(name, selector));
  }

  private async follow(tx: EntityManager, keys: ReadonlySet<string>, devices: readonly DeviceId[] | null): Promise<void> {
    const all = (await this.definitions(tx)).map((group) => ({
      ...group,
      reads: new Set([...group.reads, `${self}${group.name}`]),
    }));
    await this.settle(tx, affectedBy(all, keys), keys, devices);
  }

  /** Level by level: whoever names a group sees its new members, and is left alone where it has none. */
  private async settle(
    tx: EntityManager,
    affected: readonly Dynamic[],
    keys: ReadonlySet<string>,
    devices: readonly DeviceId[] | null,
  ): Promise<void> {
    const changed = new Set(keys);
    for (const level of levelsOf(affected)) {
      const due = level.filter(({ reads }) => changed.has(anyway) || [...reads].some((key) => changed.has(key)));
      for (const name of await this.members.evaluate(tx, due, devices)) changed.add(`${ofGroup}${name}`);
    }
  }
}

/** What a group with a new selector has changed about itself. */
const self = 'self:';
