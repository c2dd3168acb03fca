import { z } from 'zod';
import { DeploymentId, DeviceId, Digest } from './ids.js';

/** Smaller requests and answers of the operator API. */
const time = z.iso.datetime();

/** All labels of a device: the whole set, replacing the old one. */
export const LabelsRequest = z
  .object({ labels: z.record(z.string().min(1).max(64), z.string().max(128)) })
  .refine(({ labels }) => Object.keys(labels).length <= 64, 'a device can bear at most 64 labels')
  .meta({ id: 'LabelsRequest' });
export type LabelsRequest = z.infer<typeof LabelsRequest>;

/** A claim token in the list; the secret itself is kept nowhere. */
export const TokenSummary = z
  .object({
    id: z.uuid(),
    name: z.string().optional(),
    labels: z.record(z.string(), z.string()),
    createdAt: time,
    expiresAt: time,
    usedAt: time.optional(),
    device: z.string().optional(),
    approval: z.enum(['none', 'required']),
    replace: z.boolean(),
  })
  .meta({ id: 'TokenSummary' });
export type TokenSummary = z.infer<typeof TokenSummary>;

export const AssignmentResult = z
  .object({ items: z.array(z.object({ device: DeviceId, deployment: DeploymentId.nullable() })) })
  .meta({ id: 'AssignmentResult' });
export type AssignmentResult = z.infer<typeof AssignmentResult>;

export const StoredArtifact = z.object({ sha256: Digest, size: z.int() }).meta({ id: 'StoredArtifact' });
export type StoredArtifact = z.infer<typeof StoredArtifact>;

export const BackupRequest = z
  .object({
    /** A new folder on the control plane's own machine. */
    folder: z
      .string()
      .min(1)
      .max(4096)
      .refine((path) => path.startsWith('/') && !path.includes('\0'), "must be an absolute path on the control plane's machine"),
  })
  .meta({ id: 'BackupRequest' });
export type BackupRequest = z.infer<typeof BackupRequest>;
export const BackupView = z.object({ folder: z.string(), files: z.int(), bytes: z.int() }).meta({ id: 'BackupView' });
export type BackupView = z.infer<typeof BackupView>;
