import { DeploymentId, Digest, SlotName, SlotPipeline } from '@flotilla/protocol/device';
import { z } from 'zod';
import { Credentials } from './credentials.js';

/** What supervisor and gateway say to each other over the child's IPC channel; both sides parse what they receive. */

/** Where a part of the configuration came from, in words for people. */
const Provenance = z.object({
  source: z.string().optional(),
  trigger: z.string().optional(),
  pipeline: z.string().optional(),
  record: z.string().optional(),
  outputs: z.string().optional(),
});
export type Provenance = z.infer<typeof Provenance>;

export const GatewaySlot = z.object({
  slot: SlotName,
  /** UNIX socket of the slot's runner, whichever it is. */
  socket: z.string(),
  ...SlotPipeline.shape,
  from: Provenance.default({}),
});
export type GatewaySlot = z.infer<typeof GatewaySlot>;

/** What a slot serves, as its supervisor knows it. */
export const SlotStatus = z.object({
  slot: SlotName,
  /** `empty`: no release is committed. `safe-mode`: the release crashes again and again, and is tried slowly. */
  state: z.enum(['empty', 'serving', 'safe-mode']),
  /** model@version that serves, or would. */
  release: z.string().optional(),
  digest: Digest.optional(),
  deployment: DeploymentId.optional(),
  /** Of the update machine. */
  update: z.string(),
  /** Since the supervisor began: releases that took over, and those that were taken back. */
  swaps: z.int().min(0),
  rollBacks: z.int().min(0),
  /** What is known of the world's drift away from what the release was trained on. */
  drift: z.enum(['unknown', 'none', 'drifting']).default('unknown'),
});
export type SlotStatus = z.infer<typeof SlotStatus>;

export const ToGateway = z.discriminatedUnion('type', [
  /** What it shall do from now on; what is unchanged is not disturbed. */
  z.object({
    type: z.literal('configure'),
    slots: z.array(GatewaySlot),
    /** Inherited descriptor of its own HTTP listener. */
    http: z.int().optional(),
    /** Where others than this device reach it. */
    credentials: Credentials.optional(),
    /** Folder for what sources and outputs keep: certificates, places in files. */
    dataDir: z.string(),
    /** Name of this device. */
    device: z.string(),
  }),
  /** Each change. */
  z.object({ type: z.literal('status'), status: SlotStatus }),
]);
export type ToGateway = z.infer<typeof ToGateway>;

export const FromGateway = z.discriminatedUnion('type', [
  /** The configuration is in force. */
  z.object({ type: z.literal('configured'), slots: z.array(SlotName) }),
  /** Each change of a source's state. */
  z.object({ type: z.literal('source'), slot: SlotName, state: z.string(), reason: z.string().optional() }),
  /** Each second. */
  z.object({ type: z.literal('heartbeat'), rssBytes: z.int() }),
]);
export type FromGateway = z.infer<typeof FromGateway>;
