import {
  DeploymentId,
  Digest,
  type LatencyQuantiles,
  quantileUs,
  type Sketch,
  SlotName,
  type TelemetryWindowView,
  Vitals,
  type VitalsView,
} from '@flotilla/protocol';
import type { TelemetryWindowRow, VitalsRow } from './telemetry.entity.js';
import type { ReleaseTotals } from './telemetry.repository.js';

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

export function quantiles(sketch: Sketch): LatencyQuantiles {
  const ms = (q: number) => quantileUs(sketch, q);
  const [p50, p95, p99] = [ms(0.5), ms(0.95), ms(0.99)];
  if (p50 === undefined || p95 === undefined || p99 === undefined) return {};
  return { p50: round(p50 / 1000), p95: round(p95 / 1000), p99: round(p99 / 1000) };
}

/** Bins are 5 % wide: more digits would only look exact. */
const round = (ms: number) => Number(ms.toPrecision(4));
