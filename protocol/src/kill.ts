import { z } from 'zod';
import { BlockId, DeploymentId, DeviceId, Digest, GroupName, ModelName, ReleaseName, SlotName, Version } from './ids.js';

/** The kill switch and what it stands on, as the operator API shows it. */
const time = z.iso.datetime();
/** Why somebody did it: goes to the log, to the devices and to their clients. */
export const Reason = z.string().trim().min(3, 'must say why, in three characters or more').max(500);

/** Takes a release (of a model all, without `version`) away from every device (of `group`), and keeps it away. */
export const KillRequest = z
  .strictObject({ model: ModelName, version: Version.optional(), group: GroupName.optional(), reason: Reason })
  .meta({ id: 'KillRequest' });
export type KillRequest = z.infer<typeof KillRequest>;

/** A release that must not be offered; until somebody lifts it. */
export const BlockView = z
  .object({
    id: BlockId,
    model: ModelName,
    /** Absent: all versions, those that are still to come included. */
    version: Version.optional(),
    /** Absent: every device. */
    group: GroupName.optional(),
    reason: z.string(),
    actor: z.string(),
    at: time,
    lifted: z.object({ at: time, by: z.string(), reason: z.string() }).optional(),
  })
  .meta({ id: 'BlockView' });
export type BlockView = z.infer<typeof BlockView>;
export const LiftRequest = z.strictObject({ reason: Reason }).meta({ id: 'LiftRequest' });
export type LiftRequest = z.infer<typeof LiftRequest>;

/**
 * `confirmed`: the slot's last report is of another release, or that it has stopped. `failed`: what it was told to run instead does
 * not run there. `unreached`: offline. `pending`: online, under way.
 */
export const KillTargetState = z.enum(['confirmed', 'pending', 'failed', 'unreached']);
export type KillTargetState = z.infer<typeof KillTargetState>;

/** A kill as it stands: one slot of one device counts one. */
export const KillView = BlockView.extend({
  counts: z.object({
    affected: z.int(),
    confirmed: z.int(),
    pending: z.int(),
    /** Among the pending, those that this control plane has not heard since it started: they may be gone. */
    unheard: z.int(),
    failed: z.int(),
    unreached: z.int(),
    /** Among the affected, those without a release to go back to. */
    stopped: z.int(),
  }),
}).meta({ id: 'KillView' });
export type KillView = z.infer<typeof KillView>;

export const KillTargetView = z
  .object({
    device: DeviceId,
    slot: SlotName,
    state: KillTargetState,
    /** What was taken away. */
    took: ReleaseName,
    /** What it goes back to; absent: the slot stops. */
    good: ReleaseName.optional(),
    online: z.boolean(),
    lastSeen: time.optional(),
    /** Pending, and not heard since the control plane started. */
    unheard: z.boolean(),
    reason: z.string().optional(),
  })
  .meta({ id: 'KillTargetView' });
export type KillTargetView = z.infer<typeof KillTargetView>;

/** A slot that keeps its release, whatever rollouts and manual assignments want. */
export const PinRequest = z.strictObject({ release: ReleaseName, reason: Reason }).meta({ id: 'PinRequest' });
export type PinRequest = z.infer<typeof PinRequest>;
export const PinView = z
  .object({ device: DeviceId, slot: SlotName, release: ReleaseName, reason: z.string(), actor: z.string(), at: time })
  .meta({ id: 'PinView' });
export type PinView = z.infer<typeof PinView>;

/** Why a slot should run what it should run. */
export const SlotWhyView = z
  .object({
    slot: SlotName,
    /** What won; absent: nothing is assigned, the slot is stopped. */
    assignment: z
      .object({
        release: ReleaseName,
        digest: Digest,
        deployment: DeploymentId,
        /** `rollout NAME`, `pin`, `kill ID`, `manual`, `restored`. */
        owner: z.string(),
        priority: z.int(),
        by: z.string().optional(),
        reason: z.string().optional(),
        since: time,
      })
      .optional(),
    running: ReleaseName.optional(),
    /** What else wants the slot, or wanted it, and why that does not count. */
    others: z.array(z.object({ owner: z.string(), release: ReleaseName, why: z.string() })),
    /** Releases that this slot must not run. */
    blocks: z.array(BlockView),
    /** What it committed before, newest first: where a kill would lead. */
    history: z.array(z.object({ release: ReleaseName, digest: Digest, at: time, blocked: z.boolean() })),
  })
  .meta({ id: 'SlotWhyView' });
export type SlotWhyView = z.infer<typeof SlotWhyView>;
export const DeviceWhyView = z.object({ items: z.array(SlotWhyView) }).meta({ id: 'DeviceWhyView' });
export type DeviceWhyView = z.infer<typeof DeviceWhyView>;
