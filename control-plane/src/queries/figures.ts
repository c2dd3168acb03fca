import { type Sketch, sketchLayout, type TelemetryFigures } from '@flotilla/protocol';
import { meanMs, quantiles } from '../telemetry/telemetry-view.js';
import type { GroupSketch, GroupTotals } from './query.repository.js';

/** Sums and sketches as people read them. */
export function figuresOf(totals: GroupTotals, sketches: readonly GroupSketch[]): TelemetryFigures {
  const { devices, windows, ok, errors, sheds, restarts, computeCpuUs, maxRssBytes } = totals;
  const computed = ok + errors;
  const latency = (of: GroupSketch['of']) => quantiles(sketchFrom(sketches.find((sketch) => sketch.of === of)));
  return {
    ...(devices > 0 && { devices }),
    windows,
    ok,
    errors,
    sheds,
    restarts,
    ...(computed > 0 && { errorRate: Number((errors / computed).toPrecision(6)) }),
    ...meanMs(computeCpuUs, ok),
    latency: { queue: latency('queue'), compute: latency('compute'), total: latency('total') },
    ...(maxRssBytes !== null && { maxRssBytes }),
  };
}

function sketchFrom(sketch: GroupSketch | undefined): Sketch {
  const counts = Array.from({ length: sketchLayout.bins }, () => 0);
  sketch?.bins.forEach((bin, i) => (counts[bin] = sketch.counts[i]!));
  return { first: 0, counts };
}
