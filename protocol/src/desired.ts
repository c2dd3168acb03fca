import { z } from 'zod';
import { DeploymentId, DeviceId, Digest, KeyThumbprint, ReleaseName, SlotName } from './ids.js';
import { Epoch } from './messages.js';

/** How long a candidate proves itself: `inferences` healthy ones; after `timeoutS` it commits as unproven. */
export const Probation = z
  .object({ inferences: z.int().min(1).max(1_000_000).default(20), timeoutS: z.int().min(1).max(604_800).default(300) })
  .meta({ id: 'Probation' });
export type Probation = z.infer<typeof Probation>;

/**
 * When the candidate may take over, in milliseconds since 1970: it is fetched and proven at once, then waits. Absent: as soon as it
 * can. `before`: not from then on. `hold`: not until another desired state says so. An agent that does not know it does not wait.
 */
export const Activate = z
  .object({ after: z.int().min(0).optional(), before: z.int().min(0).optional(), hold: z.boolean().optional() })
  .meta({ id: 'Activate' });
export type Activate = z.infer<typeof Activate>;

export const DesiredSlot = z
  .object({
    slot: SlotName,
    deployment: DeploymentId,
    release: ReleaseName,
    manifestDigest: Digest,
    probation: Probation,
    /** Limits in microseconds from request to result: windows of this deployment count what is slower, under the same names. */
    slow: z.record(z.string().max(64), z.number().gt(0)).optional(),
    activate: Activate.optional(),
  })
  .meta({ id: 'DesiredSlot' });
export type DesiredSlot = z.infer<typeof DesiredSlot>;

/** A release that a slot must not go back to by itself, nor go on with: it was taken away from it. */
export const BlockedRelease = z
  .object({ slot: SlotName, digest: Digest, reason: z.string().max(1000) })
  .meta({ id: 'BlockedRelease' });
export type BlockedRelease = z.infer<typeof BlockedRelease>;

export const DeviceConfig = z
  .object({
    /** Length of a telemetry window and time between uploads, seconds. */
    windowS: z.number().min(0.2).max(3600).default(10),
    uploadS: z.number().min(0.2).max(86_400).default(60),
    heartbeatS: z.number().min(1).max(3600).default(60),
    /** A `GatewayDocument`, which is parsed apart: one that cannot be read costs none of the other orders. */
    gateway: z.unknown().optional(),
    /** Only what this device has run: nothing else could come back. */
    blocked: z.array(BlockedRelease).max(256).optional(),
  })
  .meta({ id: 'DeviceConfig' });
export type DeviceConfig = z.infer<typeof DeviceConfig>;

/** What the director signs for one device. A slot that is not named is to be stopped. */
export const DesiredState = z
  .object({
    v: z.literal(1),
    type: z.literal('desired'),
    device: DeviceId,
    keyThumbprint: KeyThumbprint,
    epoch: Epoch,
    /** Milliseconds since 1970: after this the device asks again before it acts on it; what runs goes on running. */
    expires: z.int().min(0),
    slots: z.array(DesiredSlot).max(64),
    config: DeviceConfig,
  })
  .meta({ id: 'DesiredState' });
export type DesiredState = z.infer<typeof DesiredState>;

/** What `dn/command` asks for; answered by a `reply` event with the same nonce. */
export const Command = z
  .object({
    v: z.literal(1),
    type: z.literal('command'),
    device: DeviceId,
    nonce: z.string().regex(/^[A-Za-z0-9_-]{16,64}$/),
    deadline: z.int().min(0),
    command: z.enum(['collect-logs', 'diagnose', 'capture-samples']),
  })
  .meta({ id: 'Command' });
export type Command = z.infer<typeof Command>;

/** `dn/desired` and `dn/command` on the wire: a JWS in compact form (RFC 7515), alg EdDSA (RFC 8037), by the director's key. */
export const SignedMessage = z
  .string()
  .max(256 * 1024)
  .regex(/^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/, 'not a JWS in compact form')
  .meta({ id: 'SignedMessage' });
export type SignedMessage = z.infer<typeof SignedMessage>;
