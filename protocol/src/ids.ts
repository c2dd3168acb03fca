import { z } from 'zod';

/** One topic segment: what tenants, devices and slots are named with. */
const segment = /^[A-Za-z0-9_-]{1,64}$/;
const segmentOf = (what: string) => z.string().regex(segment, `${what} must be 1 to 64 letters, digits, "_" or "-"`);

export const TenantId = segmentOf('a tenant').brand<'TenantId'>();
export type TenantId = z.infer<typeof TenantId>;
export const DeviceId = segmentOf('a device id').brand<'DeviceId'>();
export type DeviceId = z.infer<typeof DeviceId>;
export const SlotName = segmentOf('a slot').brand<'SlotName'>();
export type SlotName = z.infer<typeof SlotName>;
export const OperatorName = segmentOf('an operator').brand<'OperatorName'>();
export type OperatorName = z.infer<typeof OperatorName>;
export const GroupName = segmentOf('a group').brand<'GroupName'>();
export type GroupName = z.infer<typeof GroupName>;
export const ModelName = segmentOf('a model').brand<'ModelName'>();
export type ModelName = z.infer<typeof ModelName>;

/** sha256 in lower-case hex: of a file, or of a release's manifest. */
export const Digest = z
  .string()
  .regex(/^[0-9a-f]{64}$/, 'must be a sha256 in 64 lower-case hex digits')
  .brand<'Digest'>();
export type Digest = z.infer<typeof Digest>;

/** Identity of an outbox file: random 128 bits, made with the file. */
export const StreamId = z
  .string()
  .regex(/^[0-9a-f]{32}$/)
  .brand<'StreamId'>();
export type StreamId = z.infer<typeof StreamId>;

export const DeploymentId = z.uuid().brand<'DeploymentId'>();
export type DeploymentId = z.infer<typeof DeploymentId>;
export const RolloutId = z.uuid().brand<'RolloutId'>();
export type RolloutId = z.infer<typeof RolloutId>;
export const BlockId = z.uuid().brand<'BlockId'>();
export type BlockId = z.infer<typeof BlockId>;
/** Made at each start of a supervisor. */
export const BootId = z.uuid().brand<'BootId'>();
export type BootId = z.infer<typeof BootId>;

/** SemVer 2.0.0, section 9 and 10 included (semver.org's own expression). */
export const Version = z
  .string()
  .regex(
    /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(?:\.(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*)?(?:\+[0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*)?$/,
    'must be a semantic version such as 1.2.0',
  );
/** `model@1.2.0`: how people name a release. */
export const ReleaseName = z
  .string()
  .max(200)
  .regex(/^[A-Za-z0-9_-]{1,64}@\d+\.\d+\.\d+\S*$/, 'must look like model@1.2.0');

/** profile id, ORT version and relevant CPU features: what a measurement is valid for. */
export const HardwareClass = z.string().regex(/^[A-Za-z0-9_.+/-]{1,128}$/);
/** RFC 7638 thumbprint of a device's public key, base64url of sha256. */
export const KeyThumbprint = z.string().regex(/^[A-Za-z0-9_-]{43}$/);
/** base64url, no padding (RFC 4648 section 5). */
export const Base64Url = z.string().regex(/^[A-Za-z0-9_-]+$/);
