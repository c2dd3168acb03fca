import { z } from 'zod';
import { Duration } from './duration.js';
import { DeviceId, GroupName, ModelName, ReleaseName, SlotName } from './ids.js';

/** What telemetry is told apart by. `label:site`: the value of that label; `group`: a device counts in each that it belongs to. */
export const TelemetryDimension = z
  .string()
  .regex(
    /^(release|variant|hardwareClass|slot|device|group|label:[^:,]{1,64})$/,
    'must be release, variant, hardwareClass, slot, device, group, or label: with its name, such as label:site',
  );
/** Query strings hold text only; `Duration` checks it. */
const ago = z
  .string()
  .transform((text) => text as z.input<typeof Duration>)
  .pipe(Duration);

/** What windows that were received between `since` and `until` ago say, by one or two dimensions. */
export const TelemetryQuery = z.object({
  by: z
    .string()
    .default('release')
    .transform((text) => text.split(','))
    .pipe(z.array(TelemetryDimension).min(1).max(2)),
  since: ago.default(3600),
  until: ago.default(0),
  slot: SlotName.optional(),
  model: ModelName.optional(),
  release: ReleaseName.optional(),
  variant: z.string().max(256).optional(),
  hardwareClass: z.string().max(256).optional(),
  device: DeviceId.optional(),
  group: GroupName.optional(),
  selector: z.string().max(1000).optional(),
  /** The most of it first. `errorRate` and `compute` (processor time of an inference) of those with at least 100 inferences. */
  order: z.enum(['inferences', 'errors', 'errorRate', 'sheds', 'compute', 'restarts']).default('inferences'),
  limit: z.coerce.number().int().min(1).max(500).default(50),
});
export type TelemetryQuery = z.infer<typeof TelemetryQuery>;

const Quantiles = z
  .object({ p50: z.number(), p95: z.number(), p99: z.number() })
  .partial()
  .meta({ id: 'TelemetryQuantiles', description: 'Milliseconds, from merged sketches: right to 2.5 %' });
/** Windows of one combination of values, put together. */
export const TelemetryGroup = z
  .object({
    /** By dimension; empty where a device has no such label. */
    key: z.record(z.string(), z.string()),
    devices: z.int(),
    windows: z.int(),
    ok: z.int(),
    errors: z.int(),
    sheds: z.int(),
    restarts: z.int(),
    /** Of those that were computed. */
    errorRate: z.number().optional(),
    /** Processor time of an inference, milliseconds. */
    meanComputeMs: z.number().optional(),
    latency: z.object({ queue: Quantiles, compute: Quantiles, total: Quantiles }),
    /** Most resident memory of a runner at the end of a window. */
    maxRssBytes: z.int().optional(),
  })
  .meta({ id: 'TelemetryGroup' });
export type TelemetryGroup = z.infer<typeof TelemetryGroup>;
export const TelemetryAnswer = z
  .object({ since: z.iso.datetime(), until: z.iso.datetime(), items: z.array(TelemetryGroup) })
  .meta({ id: 'TelemetryAnswer' });
export type TelemetryAnswer = z.infer<typeof TelemetryAnswer>;
