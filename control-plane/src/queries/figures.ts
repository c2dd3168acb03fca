import type { TelemetryFigures } from '@flotilla/protocol';
import { sketchOfBins } from '../telemetry/sketch-of-bins.js';
import { meanMs, quantiles } from '../telemetry/telemetry-view.js';
import type { GroupBin, GroupTotals } from './query.repository.js';

/** Sums and bins as people read them. */
export function figuresOf(totals: GroupTotals, bins: readonly GroupBin[]): TelemetryFigures {
  const { devices, windows, ok, errors, sheds, restarts, computeCpuUs, maxRssBytes } = totals;
  const computed = ok + errors;
  const latency = (of: GroupBin['of']) => quantiles(sketchOfBins(bins.filter((bin) => bin.of === of)));
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
