import {
  BaselineCounts,
  DeploymentId,
  Digest,
  FeedbackCounts,
  quantileUs,
  SlotName,
  Vitals,
  type Sketch,
} from '@flotilla/protocol';
import { z } from 'zod';
import type { TelemetryWindowRow, VitalsRow } from './telemetry.entity.js';
import type { ReleaseTotals } from './telemetry.repository.js';

/** Milliseconds; absent where nothing was measured. */
const Quantiles = z
  .object({ p50: z.number(), p95: z.number(), p99: z.number() })
  .partial()
  .meta({ id: 'LatencyQuantiles', description: 'Milliseconds; absent where nothing was measured' });
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
    latency: z.object({ queue: Quantiles, compute: Quantiles, total: Quantiles }),
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
    latency: Quantiles,
  })
  .meta({ id: 'ReleaseTelemetryView' });
export const TelemetrySummaryView = z
  .object({ since: time, items: z.array(ReleaseTelemetryView) })
  .meta({ id: 'TelemetrySummaryView' });
export type TelemetrySummaryView = z.infer<typeof TelemetrySummaryView>;

export function windowView(row: TelemetryWindowRow): TelemetryWindowView {
  return {
    slot: SlotName.parse(row.slot),
    deployment: DeploymentId.parse(row.deployment),
    digest: Digest.parse(row.digest),
    variant: row.variant,
    ...times(row),
    uncertain: row.uncertain,
    ok: row.ok,
    errors: row.errors,
    sheds: row.sheds,
    ...meanMs(row.computeCpuUs, row.ok),
    latency: {
      queue: quantiles({ first: row.queueFirst, counts: row.queue }),
      compute: quantiles({ first: row.computeFirst, counts: row.compute }),
      total: quantiles({ first: row.totalFirst, counts: row.total }),
    },
    slow: row.slow,
    classes: row.classes,
    otherClasses: row.otherClasses,
    scores: row.scores,
    queueDepthMax: row.queueDepthMax,
    ...feedbackOf(row),
    ...(row.temperatureMaxC !== null && { temperatureMaxC: row.temperatureMaxC }),
    ...(row.throttledMs !== null && { throttledMs: row.throttledMs }),
    ...(row.energyMj !== null && { energyJ: row.energyMj / 1000 }),
    ...(row.baseline && { baseline: row.baseline }),
  };
}

const feedbackOf = ({ confirmed, rejected, corrected }: TelemetryWindowRow) =>
  confirmed === null || rejected === null || corrected === null ? {} : { feedback: { confirmed, rejected, corrected } };

export function vitalsView(row: VitalsRow): VitalsView {
  // The row holds what an older version may have written: parsed once, here.
  const { type: _type, boot: _boot, start: _start, end: _end, ...vitals } = Vitals.partial().parse(row.vitals);
  return { ...vitals, ...times(row) };
}

export function releaseTelemetry(totals: ReleaseTotals, release: string | undefined, latency: Sketch) {
  const { digest, devices, ok, errors, sheds, computeCpuUs } = totals;
  return {
    digest: Digest.parse(digest),
    ...(release !== undefined && { release }),
    devices,
    ok,
    errors,
    sheds,
    ...meanMs(computeCpuUs, ok),
    latency: quantiles(latency),
  };
}

const times = (row: { startedAt: Date; endedAt: Date; receivedAt: Date }) => ({
  startedAt: row.startedAt.toISOString(),
  endedAt: row.endedAt.toISOString(),
  receivedAt: row.receivedAt.toISOString(),
});
export const meanMs = (sumUs: number, count: number) => (count > 0 ? { meanComputeMs: round(sumUs / count / 1000) } : {});

export function quantiles(sketch: Sketch): z.infer<typeof Quantiles> {
  const ms = (q: number) => quantileUs(sketch, q);
  const [p50, p95, p99] = [ms(0.5), ms(0.95), ms(0.99)];
  if (p50 === undefined || p95 === undefined || p99 === undefined) return {};
  return { p50: round(p50 / 1000), p95: round(p95 / 1000), p99: round(p99 / 1000) };
}

/** Bins are 5 % wide: more digits would only look exact. */
const round = (ms: number) => Number(ms.toPrecision(4));
