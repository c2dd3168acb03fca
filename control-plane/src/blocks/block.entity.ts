import type { BlockId, DeviceId, GroupName, SlotName } from '@flotilla/protocol';
import { EntitySchema } from 'typeorm';

/** A release forbidden on a group's devices, or on all; until somebody lifts it with a reason. */
export interface BlockRow {
  id: BlockId;
  model: string;
  /** Null: every version. */
  version: string | null;
  /** Null: every device. */
  group: GroupName | null;
  /** What it meant when it was made: holds also where the database has forgotten the release. */
  digests: string[];
  reason: string;
  actor: string;
  at: Date;
  liftedAt: Date | null;
  liftedBy: string | null;
  liftedReason: string | null;
}
export const BlockRow = new EntitySchema<BlockRow>({
  name: 'block',
  columns: {
    id: { type: 'uuid', primary: true },
    model: { type: 'text' },
    version: { type: 'text', nullable: true },
    group: { type: 'text', name: 'group_name', nullable: true },
    digests: { type: 'text', array: true },
    reason: { type: 'text' },
    actor: { type: 'text' },
    at: { type: 'timestamptz' },
    liftedAt: { type: 'timestamptz', name: 'lifted_at', nullable: true },
    liftedBy: { type: 'text', name: 'lifted_by', nullable: true },
    liftedReason: { type: 'text', name: 'lifted_reason', nullable: true },
  },
});

/** A slot from which a block took a release away, and where that led. */
export interface KillTargetRow {
  block: BlockId;
  device: DeviceId;
  slot: SlotName;
  digest: string;
  /** The release that it goes back to; null: none, the slot stops (or had another release assigned already). */
  good: string | null;
  /** Of the assignment that was taken away, and of the one in its place. */
  before: string | null;
  deployment: string | null;
}
export const KillTargetRow = new EntitySchema<KillTargetRow>({
  name: 'kill_target',
  columns: {
    block: { type: 'uuid', primary: true },
    device: { type: 'text', primary: true },
    slot: { type: 'text', primary: true },
    digest: { type: 'text' },
    good: { type: 'text', nullable: true },
    before: { type: 'uuid', nullable: true },
    deployment: { type: 'uuid', nullable: true },
  },
  indices: [{ name: 'kill_target_device', columns: ['device'] }],
});
