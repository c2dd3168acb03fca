import type { TelemetryAnswer, TelemetryGroup, TelemetryQuery } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import { CLOCK, type Clock } from '../platform/tokens.js';
import { type GroupBin, type GroupTotals, QueryRepository } from './query.repository.js';
import { sketchOfBins } from './sketch-of-bins.js';
import { meanMs, quantiles } from './telemetry-view.js';

/** Questions about the fleet's windows. */
@Injectable()
export class QueriesService {
  constructor(
    @Inject(QueryRepository) private readonly windows: QueryRepository,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  async answer(query: TelemetryQuery): Promise<TelemetryAnswer> {
    const now = this.clock.now().getTime();
    const span = { from: new Date(now - query.since * 1000), to: new Date(now - query.until * 1000) };
    const totals = await this.windows.totals(query, span);
    const keys = totals.map(({ key }) => key);
    const bins = Map.groupBy(await this.windows.bins(query, span, keys), ({ key }) => JSON.stringify(key));
    return {
      since: span.from.toISOString(),
      until: span.to.toISOString(),
      items: totals.map((its) => groupOf(query.by, its, bins.get(JSON.stringify(its.key)) ?? [])),
    };
  }
}

function groupOf(by: readonly string[], totals: GroupTotals, bins: readonly GroupBin[]): TelemetryGroup {
  const { key, computeCpuUs, maxRssBytes, ...counts } = totals;
  const computed = counts.ok + counts.errors;
  const latency = (of: GroupBin['of']) => quantiles(sketchOfBins(bins.filter((bin) => bin.of === of)));
  return {
    key: Object.fromEntries(by.map((dimension, i) => [dimension, key[i] ?? ''])),
    ...counts,
    ...(computed > 0 && { errorRate: Number((counts.errors / computed).toPrecision(6)) }),
    ...meanMs(computeCpuUs, counts.ok),
    latency: { queue: latency('queue'), compute: latency('compute'), total: latency('total') },
    ...(maxRssBytes !== null && { maxRssBytes }),
  };
}
