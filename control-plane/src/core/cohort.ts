import type { PlanStage } from '@flotilla/protocol';

/**
 * How many of the devices that no stage has taken yet fall in this one; of `total`, so many are `placed` by those before. Undefined: not a
 * number, but whom its selector names.
 */
export function sizeOf(stage: PlanStage, total: number, placed: number): number | undefined {
  if ('count' in stage) return stage.count;
  // Percent is cumulative: 10, 50, 100. Rounded up, so that one percent of six devices is one device.
  if ('percent' in stage) return Math.max(0, Math.ceil((total * stage.percent) / 100) - placed);
  if ('growth' in stage) return Math.max(1, Math.ceil(placed * stage.growth));
  return undefined;
}
