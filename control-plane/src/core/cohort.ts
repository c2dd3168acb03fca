import { sha256, type DeviceId, type PlanStage } from '@flotilla/protocol';

export type Member = Readonly<{ device: DeviceId; profile: string; site: string | undefined }>;

/**
 * Which stage each device falls in; a device that no stage takes is left out. Order is hash(salt, device), taken in turn from the
 * strata (profile, site), so that a stage meets every kind of board and site and no two rollouts pick the same first devices.
 * `matches` answers a stage's selector.
 */
export function assignStages(
  members: readonly Member[],
  stages: readonly PlanStage[],
  salt: string,
  matches: (selector: string, device: DeviceId) => boolean,
): Map<DeviceId, number> {
  const stageOf = new Map<DeviceId, number>();
  const order = stratified(members, salt);
  stages.forEach((stage, index) => {
    const free = order.filter((device) => !stageOf.has(device));
    for (const device of take(stage, free, members.length, stageOf.size, matches)) stageOf.set(device, index);
  });
  return stageOf;
}

function take(
  stage: PlanStage,
  free: DeviceId[],
  total: number,
  placed: number,
  matches: (selector: string, device: DeviceId) => boolean,
) {
  if ('count' in stage) return free.slice(0, stage.count);
  // Percent is cumulative: 10, 50, 100. Rounded up, so that one percent of six devices is one device.
  if ('percent' in stage) return free.slice(0, Math.max(0, Math.ceil((total * stage.percent) / 100) - placed));
  if ('growth' in stage) return free.slice(0, Math.max(1, Math.ceil(placed * stage.growth)));
  return free.filter((device) => matches(stage.devices, device));
}

function stratified(members: readonly Member[], salt: string): DeviceId[] {
  const strata = Map.groupBy(members, ({ profile, site }) => `${profile} ${site ?? ''}`);
  const ranked = <T>(items: readonly T[], nameOf: (item: T) => string): T[] =>
    items
      .map((item) => ({ item, rank: sha256(`${salt} ${nameOf(item)}`) }))
      .toSorted((a, b) => (a.rank < b.rank ? -1 : 1))
      .map(({ item }) => item);
  const queues = ranked([...strata.entries()], ([stratum]) => stratum).map(([, own]) =>
    ranked(
      own.map((m) => m.device),
      (device) => device,
    ),
  );
  const longest = Math.max(0, ...queues.map((queue) => queue.length));
  return Array.from({ length: longest }, (_, i) => queues.flatMap((queue) => queue[i] ?? [])).flat();
}
