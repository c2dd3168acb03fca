import { z } from 'zod';
import { DeviceId } from './ids.js';

/**
 * `token`: a claim token is made for it. `approval`: likewise, and the device waits for somebody to approve it. `none`: it is there
 * already, and only gets these labels.
 */
export const ImportEntry = z
  .strictObject({
    name: DeviceId,
    labels: z.record(z.string().min(1).max(64), z.string().max(128)).default({}),
    claim: z.enum(['token', 'approval', 'none']).default('token'),
  })
  .meta({ id: 'ImportEntry' });
export type ImportEntry = z.infer<typeof ImportEntry>;

export const DeviceImport = z
  .object({
    devices: z.array(ImportEntry).min(1).max(10_000),
    expiresInS: z
      .int()
      .min(1)
      .max(30 * 86_400)
      .default(7 * 86_400),
    /** Only say what would come of it. */
    dryRun: z.boolean().default(false),
  })
  .meta({ id: 'DeviceImport' });
export type DeviceImport = z.infer<typeof DeviceImport>;

export const DeviceImportView = z
  .object({
    /** As they were given; `token` is shown this once. */
    devices: z.array(
      z.object({ name: DeviceId, does: z.enum(['claim-token', 'labels', 'nothing']), token: z.string().optional() }),
    ),
    /** Why nothing would be done; `entry` counts from 0. */
    problems: z.array(z.object({ entry: z.int(), name: z.string(), problem: z.string() })),
  })
  .meta({ id: 'DeviceImportView' });
export type DeviceImportView = z.infer<typeof DeviceImportView>;
