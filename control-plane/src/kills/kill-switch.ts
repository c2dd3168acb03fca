import { BlockId, type DeviceId, type Digest, type GroupName } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { randomUUID } from 'node:crypto';
import type { BlockRow } from '../blocks/block.entity.js';
import type { Named } from '../blocks/blocks.repository.js';
import { BlocksService, forbidden } from '../blocks/blocks.service.js';
import { EventsService } from '../events/events.service.js';
import { GroupMemberships } from '../fleet/group-memberships.js';
import { groupByName } from '../fleet/groups.repository.js';
import { AppError } from '../platform/errors.js';
import { RolloutKills } from '../rollouts/rollout-kills.js';
import { KillsRepository } from './kills.repository.js';

/** What is to be killed, and what that meant before anything was locked. */
type Aim = Named & { digests: readonly Digest[] };
type Said = Pick<BlockRow, 'reason' | 'actor' | 'at'>;
type Claimed = { digests: Digest[]; members: DeviceId[] | undefined };

/** Block, assignments and the end of rollouts: one transaction, in sets; on any replica. */
@Injectable()
export class KillSwitch {
  constructor(
    @Inject(KillsRepository) private readonly kills: KillsRepository,
    @Inject(BlocksService) private readonly blocks: BlocksService,
    @Inject(RolloutKills) private readonly rollouts: RolloutKills,
    @Inject(EventsService) private readonly events: EventsService,
    @Inject(GroupMemberships) private readonly memberships: GroupMemberships,
  ) {}

  /** The same kill again finds what has come meanwhile, under the block that is there. */
  async kill(aim: Aim, said: Said): Promise<BlockId> {
    return this.rollouts.transaction(async (tx) => {
      if (aim.group !== null) await this.refuseFleeting(tx, aim.group);
      await this.rollouts.lock(tx, aim.digests);
      const digests = await this.blocks.rows.claim(tx, aim);
      const same = await this.blocks.rows.same(tx, aim);
      const row = same ?? blockOf(aim, said);
      await this.apply(tx, { ...row, digests: [...new Set([...row.digests, ...digests])] }, said.actor);
      return row.id;
    });
  }

  /** What a device reports changes, by the kill itself to begin with: it would fall out of the group and out of the block. */
  private async refuseFleeting(tx: EntityManager, group: GroupName): Promise<void> {
    await groupByName(tx, group);
    const facts = await this.memberships.factsOf(tx, group);
    if (facts.length === 0) return;
    const message = `who belongs to group ${group} changes with what devices report (${facts.join(', ')}), and a block on it would end with that: kill it everywhere, or on a group of labels`;
    throw new AppError('INVALID_REQUEST', message);
  }

  /** A block that the database has forgotten: it holds again, and what it took is taken once more. */
  async restore(row: BlockRow): Promise<void> {
    await this.rollouts.transaction(async (tx) => {
      await this.rollouts.lock(tx, row.digests as Digest[]);
      const digests = await this.blocks.rows.claim(tx, row);
      if (await this.blocks.rows.locked(tx, row.id)) return;
      if (row.liftedAt) return this.blocks.rows.save(tx, row);
      await this.apply(tx, { ...row, digests: [...new Set([...row.digests, ...digests])] }, 'flotilla');
    });
  }

  /** Nothing returns to the release by itself; it may only be offered again. */
  async lift(id: BlockId, { reason, actor, at }: Said): Promise<void> {
    await this.blocks.rows.transaction(async (tx) => {
      const row = (await this.blocks.rows.locked(tx, id)) ?? (await this.blocks.rows.byId(id, tx));
      if (row.liftedAt)
        throw new AppError(
          'BLOCK_LIFTED',
          `it was lifted by ${row.liftedBy} on ${row.liftedAt.toISOString()}: ${row.liftedReason}`,
        );
      await this.blocks.rows.save(tx, { ...row, liftedAt: at, liftedBy: actor, liftedReason: reason });
      const message = `lifted the block of ${inWords(row)}: ${reason}; nothing returns to it by itself`;
      await this.events.append(tx, { kind: 'block-lifted', actor, message, data: { kill: id, reason } });
    });
  }

  private async apply(tx: EntityManager, row: BlockRow, actor: string): Promise<void> {
    await this.blocks.rows.save(tx, row);
    const claimed = await this.claimed(tx, row);
    const taking = { block: row.id, digests: claimed.digests, actor, reason: row.reason };
    const devices = await this.kills.lock(tx, claimed.digests, claimed.members);
    await this.kills.take(tx, devices, taking, await this.forbidden(tx, claimed));
    const detail = `${inWords(row)} was killed: ${row.reason}`;
    const killed = { ...claimed, block: row.id, detail, actor };
    await this.kills.reassign(tx, taking);
    await this.rollouts.follow(tx, killed);
    const ended = await this.rollouts.end(tx, killed);
    await this.kills.tell(tx, devices);
    await this.tell(tx, row, actor, { devices: devices.length, ended });
  }

  private async claimed(tx: EntityManager, row: BlockRow): Promise<Claimed> {
    const block = (await this.blocks.inForce(tx)).find(({ id }) => id === row.id)!;
    const members = block.members === 'all' ? undefined : ([...block.members] as DeviceId[]);
    return { digests: [...block.digests] as Digest[], members };
  }

  /** For the devices that it takes from, what it kills is forbidden, whoever the others are. */
  private async forbidden(tx: EntityManager, { digests }: Claimed) {
    const { everywhere, ...some } = forbidden(await this.blocks.inForce(tx));
    return { ...some, everywhere: [...everywhere, ...digests] };
  }

  private tell(tx: EntityManager, row: BlockRow, actor: string, { devices, ended }: { devices: number; ended: string[] }) {
    const { id, model, version, group, reason } = row;
    const rollouts = ended.length > 0 ? `; it ended or paused ${ended.join(', ')}` : '';
    const message = `killed ${inWords(row)}: ${reason}; ${devices} devices are told${rollouts}`;
    const data = { kill: id, model, version, group, reason, rollouts: ended };
    return this.events.append(tx, { kind: 'release-killed', actor, message, data });
  }
}

const blockOf = (aim: Aim, { reason, actor, at }: Said): BlockRow => ({
  id: BlockId.parse(randomUUID()),
  model: aim.model,
  version: aim.version,
  group: aim.group,
  digests: [],
  reason,
  actor,
  at,
  liftedAt: null,
  liftedBy: null,
  liftedReason: null,
});

/** "classifier@1.2.0 on group lyon" */
const inWords = ({ model, version, group }: Named) =>
  `${model}${version === null ? ' (all versions)' : `@${version}`}${group === null ? '' : ` on group ${group}`}`;
