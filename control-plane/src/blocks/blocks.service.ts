import type { BlockedRelease, BlockView, DeviceId, Digest, GroupName, SlotName } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import { type EntityManager, In } from 'typeorm';
import { type Block, blockedInWords, blockOn } from '../core/assignment.js';
import { BlockRow } from './block.entity.js';
import { BlocksRepository, type Forbidden } from './blocks.repository.js';
import { membersOf } from './group-members.js';

/** What must not be offered, asked by everything that offers; each time anew, in its own transaction. */
@Injectable()
export class BlocksService {
  constructor(@Inject(BlocksRepository) readonly rows: BlocksRepository) {}

  /** Before an offer of these releases to these devices: their rows are held FOR SHARE, and only then the blocks are read. */
  async before(tx: EntityManager, digests: readonly string[], devices: readonly DeviceId[]): Promise<Block[]> {
    if (digests.length === 0) return [];
    await this.rows.share(tx, digests);
    const wanted = new Set(digests);
    return (await this.inForce(tx, devices)).filter(({ digests: its }) => [...wanted].some((digest) => its.has(digest)));
  }

  /** Members among these devices; absent: among all. */
  async inForce(tx: EntityManager, devices?: readonly DeviceId[]): Promise<Block[]> {
    const standing = await this.rows.standing(tx);
    const groups = [...new Set(standing.flatMap(({ group }) => group ?? []))];
    const members = groups.length === 0 ? new Map<GroupName, Block['members']>() : await membersOf(tx, groups, devices);
    return standing.map(({ id, digests, group, reason }) => ({
      id,
      digests: new Set(digests),
      members: group === null ? 'all' : members.get(group)!,
      reason,
    }));
  }

  /** The newest release that each device has committed in the slot and that it may run. */
  async lastGood(tx: EntityManager, slot: SlotName, devices: readonly DeviceId[]): Promise<Map<DeviceId, Digest>> {
    const slots = devices.map((device) => ({ device, slot }));
    return this.rows.lastGood(tx, slots, forbidden(await this.inForce(tx, devices)));
  }

  /** What each device is told never to go back to by itself: of what it has run, what is blocked for it. */
  async of(tx: EntityManager, devices: readonly DeviceId[]): Promise<Map<DeviceId, BlockedRelease[]>> {
    const told = new Map<DeviceId, BlockedRelease[]>();
    const blocks = await this.inForce(tx, devices);
    if (blocks.length === 0) return told;
    for (const { device, slot, digest } of await this.rows.run(tx, devices)) {
      const block = blockOn(blocks, device, digest);
      if (block) told.set(device, [...(told.get(device) ?? []), { slot, digest, reason: blockedInWords(block) }]);
    }
    return told;
  }

  async views(tx: EntityManager, ids: readonly string[]): Promise<BlockView[]> {
    return ids.length === 0 ? [] : (await tx.findBy(BlockRow, { id: In(ids) })).map(blockView);
  }

  countInForce(): Promise<number> {
    return this.rows.countInForce();
  }
}

export function forbidden(blocks: readonly Block[]): Forbidden {
  const everywhere = blocks.flatMap(({ digests, members }) => (members === 'all' ? [...digests] : []));
  const pairs = blocks.flatMap(({ digests, members }) =>
    members === 'all' ? [] : [...digests].flatMap((digest) => [...members].map((device) => ({ digest, device }))),
  );
  return { everywhere, digests: pairs.map((p) => p.digest), devices: pairs.map((p) => p.device) };
}

export const blockView = (row: BlockRow) =>
  ({
    id: row.id,
    model: row.model,
    ...(row.version !== null && { version: row.version }),
    ...(row.group !== null && { group: row.group }),
    reason: row.reason,
    actor: row.actor,
    at: row.at.toISOString(),
    ...(row.liftedAt && {
      lifted: { at: row.liftedAt.toISOString(), by: row.liftedBy ?? '', reason: row.liftedReason ?? '' },
    }),
  }) as BlockView;
