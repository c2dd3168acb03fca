import { z } from 'zod';
import { SlotPipeline, sourceKinds } from './gateway.js';
import { DeviceId, Digest, GroupName, SlotName } from './ids.js';
import { Epoch } from './messages.js';
import { issueLines } from './written.js';

/** Gateway configuration on its way from an operator to devices: what people write, what travels, and what devices answer. */

export type PipelineSection = keyof SlotPipeline;
export const sectionNames = Object.keys(SlotPipeline.shape) as PipelineSection[];

/** Sections as they were written, defaults not filled in: what a default is, each device's own version says. */
export type WrittenPipeline = z.input<typeof SlotPipeline>;

/** As many bytes of JSON as one document may have, and as all that reaches one device. */
export const maxConfigurationBytes = 64 * 1024;
export const maxGatewayBytes = 128 * 1024;

export const jsonBytes = (value: unknown) => new TextEncoder().encode(JSON.stringify(value)).byteLength;

/** Checked like `SlotPipeline`, and left as it is: a default that this version fills in would be an unknown key to an older device. */
const WrittenSlot = z.lazy(() => {
  const { $schema: _, ...json } = z.toJSONSchema(SlotPipeline, { io: 'input', unrepresentable: 'any' });
  return z.unknown().superRefine(check).meta(json);
});

function check(value: unknown, context: z.RefinementCtx): void {
  const complaint = unknownKind(value);
  if (complaint !== undefined) return context.addIssue({ code: 'custom', path: ['source'], message: complaint });
  const result = SlotPipeline.safeParse(value);
  for (const issue of result.error?.issues ?? []) context.issues.push({ ...issue, input: value } as z.core.$ZodRawIssue);
  if (result.success && Object.keys(result.data).length === 0)
    context.addIssue({ code: 'custom', message: `says nothing; give it one of: ${sectionNames.join(', ')}` });
}

/** Nine branches that do not match say less than this. */
function unknownKind(value: unknown): string | undefined {
  const source = (value as { source?: unknown } | null | undefined)?.source;
  if (source === null || typeof source !== 'object' || sourceKinds.some((kind) => kind in source)) return undefined;
  const keys = Object.keys(source);
  return `${keys.length > 0 ? `none of its keys (${keys.slice(0, 8).join(', ')})` : 'nothing in it'} says what kind of source it is; give it one of: ${sourceKinds.join(', ')}`;
}

/** `kind: Configuration` as people write it: for a group or a device, per slot. */
export const ConfigurationFile = z
  .strictObject({
    apiVersion: z.literal('flotilla/v1'),
    kind: z.literal('Configuration'),
    group: GroupName.optional(),
    device: DeviceId.optional(),
    /** Between two groups of one device the higher one wins; what is said for the device itself wins over every group. */
    priority: z.int().min(-1000).max(1000).optional(),
    comment: z.string().max(500).optional(),
    slots: z
      .record(SlotName, WrittenSlot)
      .refine((slots) => Object.keys(slots).length <= 64, 'a device has at most 64 slots')
      .refine((slots) => Object.keys(slots).length > 0, 'names no slot'),
  })
  .refine((file) => (file.group === undefined) !== (file.device === undefined), 'needs exactly one of group and device')
  .refine((file) => file.device === undefined || file.priority === undefined, {
    error: 'only between groups there are priorities: what is said for a device wins over them all',
    path: ['priority'],
  })
  .refine(({ slots }) => jsonBytes(slots) <= maxConfigurationBytes, {
    error: `is larger than ${maxConfigurationBytes / 1024} KiB`,
    path: ['slots'],
  })
  .meta({ id: 'ConfigurationFile' });
export type ConfigurationFile = Omit<z.infer<typeof ConfigurationFile>, 'slots'> & { slots: Record<SlotName, WrittenPipeline> };

/**
 * `config.gateway` of the desired state. It is parsed apart, slot by slot: a part that a device cannot read must not cost it the
 * rest of its orders. `withheld`: why the control plane sends none; what is in force stays.
 */
export const GatewayDocument = z
  .object({ v: z.literal(1), slots: z.record(z.string(), z.unknown()).default({}), withheld: z.string().max(500).optional() })
  .meta({ id: 'GatewayDocument' });
export type GatewayDocument = z.infer<typeof GatewayDocument>;

/** The slot's part, or a sentence that says why it cannot be used. */
export function readPipeline(written: unknown): { pipeline: SlotPipeline } | { unreadable: string } {
  const result = WrittenSlot.safeParse(written);
  if (result.success) return { pipeline: SlotPipeline.parse(written) };
  return { unreadable: issueLines(SlotPipeline, result.error).join('; ') };
}

/** Where a section in force comes from: `agent.yaml`, or `desired state, epoch 12`. */
const origin = z.string().max(64);
/** What a device makes of the configuration that it was sent. */
export const ConfigurationReport = z.object({
  /** Of the desired state that brought it. */
  epoch: Epoch,
  /** Of `config.gateway` as it came; absent where none came. */
  digest: Digest.optional(),
  slots: z.array(z.object({ slot: SlotName, from: z.record(z.string().max(32), origin) })).max(64),
  /** What is not done, and why; without a slot: all of it. */
  refused: z.array(z.object({ slot: z.string().max(64).optional(), reason: z.string().max(500) })).max(64),
});
export type ConfigurationReport = z.infer<typeof ConfigurationReport>;
