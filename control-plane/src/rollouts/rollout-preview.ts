import { type DeviceId, digestOf, type RolloutPlan, type RolloutPreview } from '@flotilla/protocol';
import type { Member } from '../fleet/devices.repository.js';
import type { ReleaseRow } from '../models/release.entity.js';
import type { NewTarget } from './rollout.repository.js';

/** A plan laid over the fleet as it is: who falls in which stage, and what speaks against it. */
export type Layout = Readonly<{
  release: ReleaseRow;
  members: readonly Member[];
  targets: readonly NewTarget[];
  /** Why devices are kept out from the beginning: they are pinned, or the release is blocked there. */
  keptOut: ReadonlyMap<DeviceId, string>;
  problems: readonly string[];
}>;

const named = 20;

export function previewOf(
  plan: RolloutPlan,
  { release, members, targets, keptOut, problems }: Layout,
  calendars: RolloutPreview['calendars'],
): Omit<RolloutPreview, 'unheard'> {
  const online = new Set(members.filter((device) => device.online).map((device) => device.id));
  const placed = new Set(targets.map((t) => t.device));
  const rejected = targets.filter((t) => t.state === 'rejected');
  return {
    planHash: digestOf(plan),
    problems: [...problems],
    stages: plan.stages.map(({ name }, index) => {
      const own = targets.filter((t) => t.stage === index);
      const classes = Map.groupBy(own, (t) => t.hardwareClass);
      return {
        name,
        devices: own.length,
        offline: own.filter((t) => !online.has(t.device)).length,
        hardwareClasses: Object.fromEntries([...classes].map(([hardwareClass, list]) => [hardwareClass, list.length])),
        first: own.slice(0, named).map((t) => t.device),
      };
    }),
    rejected: [
      ...rejected.map(({ device, reason }) => ({ device, reason: reason ?? '' })),
      ...[...keptOut].map(([device, reason]) => ({ device, reason })),
    ].slice(0, 1000),
    leftOut: members.filter(({ id }) => !placed.has(id) && !keptOut.has(id)).length,
    leastS: plan.stages.reduce((sum, { soak }) => sum + soak, 0),
    mostBytes: (targets.length - rejected.length) * bytesPerDevice(release),
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
