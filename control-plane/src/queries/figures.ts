import type { Sketch, TelemetryFigures } from '@flotilla/protocol';
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
    ...feedbackOf(totals),
    ...boardOf(totals),
  };
}

function feedbackOf({ confirmed, rejected, corrected }: GroupTotals): Pick<TelemetryFigures, 'feedback' | 'rejectedShare'> {
  const given = confirmed + rejected + corrected;
  if (given === 0) return {};
  return { feedback: { confirmed, rejected, corrected }, rejectedShare: Number(((rejected + corrected) / given).toPrecision(6)) };
}

type Board = Pick<TelemetryFigures, 'temperatureMaxC' | 'throttledShare' | 'energyJ' | 'joulesPerInference'>;
function boardOf({ temperatureMaxC, throttledMs, throttledOfMs, energyMj, energyOk }: GroupTotals): Board {
  return {
    ...(temperatureMaxC !== null && { temperatureMaxC: Number(temperatureMaxC.toPrecision(4)) }),
    ...(throttledOfMs > 0 && { throttledShare: Number(Math.min(1, throttledMs / throttledOfMs).toPrecision(6)) }),
    ...(energyMj > 0 && { energyJ: energyMj / 1000 }),
    ...(energyMj > 0 && energyOk > 0 && { joulesPerInference: Number((energyMj / 1000 / energyOk).toPrecision(4)) }),
  };
}

/** From its first bin to its last: a series has thousands of sketches. */
function sketchFrom(sketch: GroupSketch | undefined): Sketch {
  if (!sketch) return { first: 0, counts: [] };
  const first = Math.min(...sketch.bins);
  const counts = Array.from({ length: Math.max(...sketch.bins) - first + 1 }, () => 0);
  sketch.bins.forEach((bin, i) => (counts[bin - first] = sketch.counts[i]!));
  return { first, counts };
}
