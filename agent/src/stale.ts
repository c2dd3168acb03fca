import type { SlotPipeline } from '@flotilla/protocol/device';

const shortestStaleMs = 10_000;
const missed = 5;

/** After which a result says nothing any more of what lies before the camera. A source that is slow by design makes none stale between two pictures. */
export function staleAfterMs({ source, trigger }: Pick<SlotPipeline, 'source' | 'trigger'>): number {
  return Math.max(shortestStaleMs, missed * Math.max(paceMs(source), (trigger?.everyS ?? 0) * 1000));
}

function paceMs(source: SlotPipeline['source']): number {
  if (!source) return 0;
  if ('directory' in source) return 1000 / source.perSecond;
  if ('opcua' in source) return source.everyMs;
  return 'framesPerSecond' in source && source.framesPerSecond ? 1000 / source.framesPerSecond : 0;
}
