import { digestOf, type RolloutPlan, type RolloutPreview } from '@flotilla/protocol';
import type { ReleaseRow } from '../models/release.entity.js';
import type { CohortRepository, StageSize } from './cohort.repository.js';

/** A plan laid over the fleet as it is: how many fall in which stage, and what speaks against it. */
export type Layout = Readonly<{ release: ReleaseRow; sizes: readonly StageSize[]; problems: readonly string[] }>;

export function previewOf(
  plan: RolloutPlan,
  { release, sizes, problems }: Layout,
  { rejected, leftOut }: Awaited<ReturnType<CohortRepository['others']>>,
  calendars: RolloutPreview['calendars'],
): Omit<RolloutPreview, 'unheard'> {
  const offered = sizes.reduce((sum, size) => sum + size.devices - size.rejected, 0);
  return {
    planHash: digestOf(plan),
    problems: [...problems],
    stages: plan.stages.map(({ name }, index) => {
      const own = sizes.find(({ stage }) => stage === index);
      return {
        name,
        devices: own?.devices ?? 0,
        offline: own?.offline ?? 0,
        hardwareClasses: { ...own?.classes },
        first: [...(own?.first ?? [])],
      };
    }),
    rejected,
    leftOut,
    leastS: plan.stages.reduce((sum, { soak }) => sum + soak, 0),
    mostBytes: offered * bytesPerDevice(release),
    calendars,
  };
}

/** Each device takes one variant, and what goes with all of them. */
export function bytesPerDevice({ manifest }: ReleaseRow): number {
  const variants = new Set(manifest.variants.map(({ file }) => file));
  const sizes = manifest.files.filter(({ path }) => variants.has(path)).map(({ size }) => size);
  const rest = manifest.files.filter(({ path }) => !variants.has(path)).reduce((sum, { size }) => sum + size, 0);
  return Math.max(0, ...sizes) + rest;
}
