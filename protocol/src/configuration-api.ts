import { z } from 'zod';
import { ConfigurationReport, type WrittenPipeline } from './configuration.js';
import { DeviceId, SlotName } from './ids.js';

/** What the operator API `/api/v1/configurations` answers. */
const time = z.iso.datetime();

export const ConfigurationScope = z.enum(['group', 'device']);
export type ConfigurationScope = z.infer<typeof ConfigurationScope>;

const segment = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/);
const written = z.record(z.string(), z.record(z.string(), z.unknown()));

/** One version of the configuration of a group or of a device; as written. */
export const ConfigurationView = z
  .object({
    scope: ConfigurationScope,
    name: segment,
    version: z.int().min(1),
    priority: z.int(),
    comment: z.string().optional(),
    actor: z.string(),
    at: time,
    /** Absent: with this version it was deleted. */
    slots: written.optional(),
  })
  .meta({ id: 'ConfigurationView' });
export type ConfigurationView = Omit<z.infer<typeof ConfigurationView>, 'slots'> & {
  slots?: Record<string, WrittenPipeline> | undefined;
};

export const ConfigurationChange = z
  .object({
    configuration: ConfigurationView,
    /** False: it says what was in force already, and nothing was done. */
    changed: z.boolean(),
    /** How many devices are sent something new. */
    devices: z.int(),
    /** What was done, but may not be what was meant. */
    notes: z.array(z.string()),
  })
  .meta({ id: 'ConfigurationChange' });
export type ConfigurationChange = Omit<z.infer<typeof ConfigurationChange>, 'configuration'> & {
  configuration: ConfigurationView;
};

/** Back to a version: it becomes the newest one. Absent: to the one before. */
export const ConfigurationRollback = z
  .object({ version: z.int().min(1).optional(), comment: z.string().max(500).optional() })
  .meta({ id: 'ConfigurationRollback' });
export type ConfigurationRollback = z.infer<typeof ConfigurationRollback>;

export const ConfigurationOrigin = z.object({ scope: ConfigurationScope, name: segment, version: z.int() });
export type ConfigurationOrigin = z.infer<typeof ConfigurationOrigin>;

/** What a device is sent, from where each section comes, and what the device says that it does. */
export const DeviceConfigurationView = z
  .object({
    device: DeviceId,
    /** `none`: nothing is said about it. `pending`: it has not answered yet. `refused`: a part of it, or all. */
    state: z.enum(['none', 'pending', 'applied', 'refused']),
    epoch: z.int(),
    sections: z.array(z.object({ slot: SlotName, section: z.string(), value: z.unknown(), from: ConfigurationOrigin })),
    /** Two groups of one priority that say different things: the first by name is obeyed. */
    conflicts: z.array(z.string()),
    /** Why the device is sent no configuration, although there is one. */
    withheld: z.string().optional(),
    reported: ConfigurationReport.extend({ at: time }).optional(),
  })
  .meta({ id: 'DeviceConfigurationView' });
export type DeviceConfigurationView = z.infer<typeof DeviceConfigurationView>;
