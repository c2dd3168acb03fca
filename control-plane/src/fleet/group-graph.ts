import type { GroupName } from '@flotilla/protocol';
import { AppError } from '../platform/errors.js';
import { parseSelector, type Selector } from './selector.js';
import { readsOf } from './selector-sql.js';

/** A group with a selector, read. */
export type Dynamic = Readonly<{ name: GroupName; selector: Selector; reads: ReadonlySet<string>; groups: readonly string[] }>;

export function dynamicOf(name: GroupName, text: string): Dynamic {
  const selector = parseSelector(text);
  const reads = readsOf(selector);
  return { name, selector, reads, groups: groupsIn(reads) };
}

export const groupsIn = (reads: ReadonlySet<string>) =>
  [...reads].flatMap((key) => (key.startsWith(ofGroup) ? key.slice(ofGroup.length) : []));
export const ofGroup = 'group:';

/** Those that look at one of the keys, or at every device, and whoever names one of them: named groups always come first. */
export function affectedBy(all: readonly Dynamic[], keys: ReadonlySet<string>): Dynamic[] {
  const affected = new Set<string>();
  return inOrder(all).filter(({ name, reads, groups }) => {
    const isAffected = keys.has(anyway) || [...reads].some((key) => keys.has(key)) || groups.some((group) => affected.has(group));
    if (isAffected) affected.add(name);
    return isAffected;
  });
}

/** A device that comes or goes is every selector's business. */
export const anyway = 'status';

/** Groups that may be evaluated in one go: none names another of the same level. */
export function levelsOf(ordered: readonly Dynamic[]): Dynamic[][] {
  const levelOf = new Map<string, number>();
  const levels: Dynamic[][] = [];
  for (const group of ordered) {
    const level = Math.max(-1, ...group.groups.map((name) => levelOf.get(name) ?? -1)) + 1;
    levelOf.set(group.name, level);
    (levels[level] ??= []).push(group);
  }
  return levels;
}

function inOrder(all: readonly Dynamic[]): Dynamic[] {
  const byName = new Map<string, Dynamic>(all.map((group) => [group.name, group]));
  const ordered = new Map<string, Dynamic>();
  const visit = (group: Dynamic) => {
    if (ordered.has(group.name)) return;
    for (const name of group.groups) if (byName.has(name)) visit(byName.get(name)!);
    ordered.set(group.name, group);
  };
  all.forEach(visit);
  return [...ordered.values()];
}

/** A group that is in itself, by way of others, would have no answer. */
export function refuseCycle(all: readonly Dynamic[], wanted: Dynamic): void {
  const byName = new Map<string, Dynamic>([...all, wanted].map((group) => [group.name, group]));
  const walk = (path: readonly string[]): void => {
    for (const name of byName.get(path.at(-1)!)?.groups ?? []) {
      if (name === wanted.name)
        throw new AppError('INVALID_SELECTOR', `selector: ${wanted.name} would be in itself: ${[...path, name].join(' → ')}`);
      if (!path.includes(name)) walk([...path, name]);
    }
  };
  walk([wanted.name]);
}

/** Everything that devices report and the group depends on, by itself or by way of groups that it names. */
export function factsOf(all: ReadonlyMap<string, Dynamic>, name: string): string[] {
  const facts = new Set<string>();
  const seen = new Set<string>();
  const visit = (group: string) => {
    const found = all.get(group);
    if (!found || seen.has(group)) return;
    seen.add(group);
    for (const key of found.reads) if (!key.includes(':')) facts.add(key);
    found.groups.forEach(visit);
  };
  visit(name);
  return [...facts].toSorted();
}
