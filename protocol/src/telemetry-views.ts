import { z } from 'zod';
import { BaselineCounts } from './baseline.js';
import { DeploymentId, Digest, SlotName } from './ids.js';
import { FeedbackCounts, Vitals } from './records.js';

export const LatencyQuantiles = z
  .object({ p50: z.number(), p95: z.number(), p99: z.number() })
  .partial()
  .meta({ id: 'LatencyQuantiles', description: 'Milliseconds; absent where nothing was measured' });
export type LatencyQuantiles = z.infer<typeof LatencyQuantiles>;
const time = z.iso.datetime();

export const TelemetryWindowView = z
  .object({
    slot: SlotName,
    deployment: DeploymentId,
    digest: Digest,
    variant: z.string(),
    startedAt: time,
    endedAt: time,
    receivedAt: time,
    /** Recorded in an earlier boot of the device: its time is a guess. */
    uncertain: z.boolean(),
    ok: z.int(),
    errors: z.int(),
    sheds: z.int(),
    /** Compute CPU time per inference, milliseconds. */
    meanComputeMs: z.number().optional(),
    latency: z.object({ queue: LatencyQuantiles, compute: LatencyQuantiles, total: LatencyQuantiles }),
    slow: z.record(z.string(), z.int()),
    classes: z.record(z.string(), z.int()),
    otherClasses: z.int(),
    scores: z.array(z.int()),
    queueDepthMax: z.int(),
    /** Verdicts on predictions of this deployment that were given in it. */
    feedback: FeedbackCounts.optional(),
    /** How the board was; absent: it has no such sensor. */
    temperatureMaxC: z.number().optional(),
    throttledMs: z.int().optional(),
    energyJ: z.number().optional(),
    /** In the bins of the release's baseline. */
    baseline: BaselineCounts.optional(),
  })
  .meta({ id: 'TelemetryWindowView' });
export type TelemetryWindowView = z.infer<typeof TelemetryWindowView>;

export const VitalsView = Vitals.omit({ type: true, boot: true, start: true, end: true })
  .partial()
  .extend({ startedAt: time, endedAt: time, receivedAt: time })
  .meta({ id: 'VitalsView' });
export type VitalsView = z.infer<typeof VitalsView>;

/** Newest first. */
export const DeviceTelemetryView = z
  .object({ windows: z.array(TelemetryWindowView), vitals: z.array(VitalsView) })
  .meta({ id: 'DeviceTelemetryView' });
export type DeviceTelemetryView = z.infer<typeof DeviceTelemetryView>;

export const ReleaseTelemetryView = z
  .object({
    digest: Digest,
    release: z.string().optional(),
    devices: z.int(),
    ok: z.int(),
    errors: z.int(),
    sheds: z.int(),
    meanComputeMs: z.number().optional(),
    latency: LatencyQuantiles,
  })
  .meta({ id: 'ReleaseTelemetryView' });
export type ReleaseTelemetryView = z.infer<typeof ReleaseTelemetryView>;
export const TelemetrySummaryView = z
  .object({ since: time, items: z.array(ReleaseTelemetryView) })
  .meta({ id: 'TelemetrySummaryView' });
export type TelemetrySummaryView = z.infer<typeof TelemetrySummaryView>;
